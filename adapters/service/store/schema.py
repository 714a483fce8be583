"""Makes the tables of a new database, brings those of an earlier version to this one, looks for missing columns."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, insert, inspect, select, text, update

from adapters.service.store.errors import StoreUnavailable
from adapters.service.store.tables import SCHEMA_VERSION, counters, metadata

_MIGRATIONS = "adapters.service.store:migrations"
_log = logging.getLogger(__name__)


def set_up(connection: Connection) -> None:
    """Make or upgrade the tables, in the caller's transaction: all of it or nothing.

    Raises ``StoreUnavailable`` where they are of a later version, or are not what their version says.
    """
    found = _version(connection)
    if found is not None and found > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"the database has tables of version {found}, this program knows those up to version {SCHEMA_VERSION}",
            remedy="use the newer dagfusion that made them, or another database",
        )
    if found is not None and found < SCHEMA_VERSION:
        _upgrade(connection, found)
    metadata.create_all(connection)
    if found is None:
        rows = [{"name": name, "value": 0} for name in ("position", "turn")]
        rows.append({"name": "schema", "value": SCHEMA_VERSION})
        connection.execute(insert(counters), rows)
    _check_columns(connection)


def _version(connection: Connection) -> int | None:
    """What ``counters`` says: alembic's own table is made of it, so that a database at rest needs no alembic."""
    if not inspect(connection).has_table(counters.name):
        return None
    version: int | None = connection.execute(select(counters.c.value).where(counters.c.name == "schema")).scalar()
    return version


def _upgrade(connection: Connection, found: int) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", _MIGRATIONS)
    command.stamp(config, str(found), purge=True)
    command.upgrade(config, "head")
    connection.execute(update(counters).where(counters.c.name == "schema").values(value=SCHEMA_VERSION))
    _check_references(connection)
    _log.info("the database's tables were brought from version %d to %d", found, SCHEMA_VERSION)


def _check_references(connection: Connection) -> None:
    """SQLite does not look at references while tables are rebuilt."""
    if connection.dialect.name == "sqlite" and connection.execute(text("PRAGMA foreign_key_check")).first() is not None:
        raise StoreUnavailable(
            "the database cannot be upgraded: rows in it belong to rows that are not there",
            remedy="restore the database from a backup, or use another one",
        )


def _check_columns(connection: Connection) -> None:
    found = inspect(connection).get_multi_columns()
    missing = [
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if column.name not in {there["name"] for there in found.get((None, table.name), ())}
    ]
    if missing:
        raise StoreUnavailable(
            f"the database's tables lack columns: {', '.join(missing)}",
            remedy="restore the database from a backup, or use another one",
        )
