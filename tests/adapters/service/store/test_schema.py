"""Databases of earlier versions become ones of this, with all that is in them; those that cannot are refused untouched.

``version_1.json`` is what the first version's own code wrote: its tables in both dialects, rows in each, and the key
that one of the rows has the hash of.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, create_engine, func, insert, inspect, select, text

from adapters.service.store import Store, schema
from adapters.service.store.database import parse_url
from adapters.service.store.errors import StoreUnavailable
from adapters.service.store.records import JobState, NewJob
from adapters.service.store.tables import SCHEMA_VERSION, metadata

VERSION_1: dict[str, Any] = json.loads(Path(__file__).with_name("version_1.json").read_text(encoding="utf-8"))
MIGRATIONS = Path(schema.__file__).parent / "migrations"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The database as any other program sees it."""
    made = create_engine(parse_url(database_url))
    yield made
    made.dispose()


@pytest.fixture
def version_1(engine: Engine, database_url: str) -> str:
    """A database that the first version left, with data in every table."""
    with engine.begin() as connection:
        for statement in VERSION_1["tables"][engine.dialect.name]:
            connection.execute(text(statement))
        tables = MetaData()
        tables.reflect(connection)
        for table in tables.sorted_tables:
            connection.execute(insert(table), [decoded(row) for row in VERSION_1["rows"][table.name]])
        if engine.dialect.name == "postgresql":
            jobs = tables.tables["jobs"].c.sequence
            connection.execute(select(func.setval(func.pg_get_serial_sequence("jobs", "sequence"), func.max(jobs))))
    return database_url


def decoded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: base64.b64decode(value["base64"]) if isinstance(value, dict) and set(value) == {"base64"} else value
        for name, value in row.items()
    }


def rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """What is in each table."""
    with engine.connect() as connection:
        tables = MetaData()
        tables.reflect(connection)
        return {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in tables.sorted_tables
        }


def differences(engine: Engine) -> list[Any]:
    """Between the tables that are there and those of this program."""
    options = {"compare_type": True, "include_object": lambda _, name, *__: name != "alembic_version"}
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def test_every_version_has_one_migration_and_the_last_is_the_programs() -> None:
    revisions = [revision.revision for revision in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    assert revisions == [str(version) for version in range(SCHEMA_VERSION, 0, -1)]


def test_an_upgrade_keeps_every_row(version_1: str, engine: Engine) -> None:
    assert all(VERSION_1["rows"].values())
    before = rows(engine)
    Store(version_1).close()
    after = rows(engine)
    for table, kept in before.items():
        found = [{name: row[name] for name in kept[0]} for row in after[table]]
        if table == "counters":
            found = [row | {"value": 1} if row["name"] == "schema" else row for row in found if row["name"] != "turn"]
        assert found == kept, table


def test_what_was_begun_before_an_upgrade_goes_on_after_it(version_1: str) -> None:
    store = Store(version_1)
    key = store.keys.find(VERSION_1["key"])
    assert key is not None
    assert (key.name, key.scopes, key.rate_limit) == ("phone", ("submit", "read"), "60/minute")
    done = store.jobs.get("done")
    assert done is not None
    assert (done.state, done.owner, done.prompt["1"]["inputs"]["source"]) == (JobState.COMPLETED, "key_1", "grün ☃")
    assert [event.kind for event in store.events.of_job("done")] == ["queued", "started", "node_finished", "completed"]
    assert {message.event for message in store.outbox.find(state="pending")} == {"completed", "failed"}
    claimed = store.leases.claim("new", 30)
    assert claimed is not None
    assert claimed[0].id == "waiting"
    store.leases.complete(claimed[1], [])
    assert store.jobs.submit(NewJob(prompt={}))[0].sequence == 5
    assert store.events.of_all()[-1].position == 11 + 3
    store.close()


def test_tables_are_the_same_however_they_came_about(version_1: str, engine: Engine) -> None:
    Store(version_1).close()
    assert differences(engine) == []
    assert inspect(engine).get_foreign_keys("events")[0]["options"] == {"ondelete": "CASCADE"}


def test_new_tables_are_those_of_the_program(database_url: str, engine: Engine) -> None:
    Store(database_url).close()
    assert differences(engine) == []


def test_processes_that_start_together_upgrade_once(version_1: str, engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        for store in pool.map(Store, [version_1] * 4):
            store.close()
    assert differences(engine) == []


def test_an_upgrade_that_fails_changes_nothing(version_1: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs ADD COLUMN lease_s INTEGER"))  # which the upgrade is to add
    before = rows(engine)
    with pytest.raises(StoreUnavailable, match="lease_s"):
        Store(version_1)
    assert rows(engine) == before


def test_a_table_that_is_rebuilt_keeps_what_refers_to_it(
    version_1: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite cannot change a column: alembic makes the table anew and drops the old one."""
    Store(version_1).close()
    before = rows(engine)
    later = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, later)
    (later / "versions" / "later.py").write_text(
        f"from alembic import op\nfrom sqlalchemy import String\n"
        f"revision, down_revision = '{SCHEMA_VERSION + 1}', '{SCHEMA_VERSION}'\n"
        "def upgrade():\n"
        "    with op.batch_alter_table('jobs', recreate='auto') as jobs:\n"
        "        jobs.alter_column('source', type_=String(40), existing_nullable=False)\n"
    )
    monkeypatch.setattr(schema, "_MIGRATIONS", str(later))
    monkeypatch.setattr(schema, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    Store(version_1).close()
    assert any(
        column["name"] == "source" and column["type"].length == 40 for column in inspect(engine).get_columns("jobs")
    )
    after = rows(engine)
    for table in ("jobs", "events", "outputs", "inputs", "previews", "deliveries", "api_keys", "workers"):
        assert after[table] == before[table], table


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 99])
def test_a_later_version_is_left_alone(database_url: str, engine: Engine, version: int) -> None:
    Store(database_url).close()
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE counters SET value = {version} WHERE name = 'schema'"))
    before = rows(engine)
    with pytest.raises(StoreUnavailable, match=f"version {version}"):
        Store(database_url)
    assert rows(engine) == before


@pytest.mark.parametrize("column", ["jobs.progress", "workers.info", "deliveries.last_error", "previews.picture"])
def test_a_column_that_is_missing_is_named_at_the_start(database_url: str, engine: Engine, column: str) -> None:
    Store(database_url).close()
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {' DROP COLUMN '.join(column.split('.'))}"))
    with pytest.raises(StoreUnavailable, match=column):
        Store(database_url)


def test_a_table_that_is_missing_is_made(database_url: str, engine: Engine) -> None:
    Store(database_url).close()
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE previews"))
    Store(database_url).close()
    assert differences(engine) == []


def test_a_connection_of_the_store_looks_at_references(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    with store.database.write() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    store.close()
