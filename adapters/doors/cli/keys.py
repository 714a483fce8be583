"""``dagfusion keys``: who may use the service."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.doors.cli import exits
from adapters.doors.cli.options import DebugOption, Given, JsonOption, takes_settings
from engine.errors import DagfusionError

if TYPE_CHECKING:
    from adapters.service.store.keys import ApiKeys
    from adapters.service.store.records import ApiKey

keys = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)


@keys.command()
@takes_settings("data")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    given: Given,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="SCOPE", help="submit, read or admin; may be repeated [submit, read]."),
    ] = None,
    rate_limit: Annotated[
        str | None, typer.Option("--rate-limit", metavar="RATE", help="Requests with it, as in 60/minute.")
    ] = None,
    max_priority: Annotated[
        int | None, typer.Option("--max-priority", metavar="N", min=-1000, max=1000, help="The highest of its jobs.")
    ] = None,
    max_queued: Annotated[
        int | None, typer.Option("--max-queued", metavar="N", min=1, help="How many of its jobs may wait.")
    ] = None,
    max_running: Annotated[
        int | None, typer.Option("--max-running", metavar="N", min=1, help="How many of its jobs may run at a time.")
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a key and print it. It cannot be shown again."""
    from adapters.service.store.records import KeyLimits

    with exits.reported(json=json, debug=debug), _opened(given) as opened:
        if rate_limit is not None:
            _check_rate(rate_limit)
        try:
            limits = KeyLimits(max_priority, max_queued, max_running)
            made, secret = opened.create(name, scope or ["submit", "read"], rate_limit=rate_limit, limits=limits)
        except ValueError as error:
            raise DagfusionError(str(error)) from error
        print(jsonlib.dumps(asdict(made) | {"key": secret}) if json else f"{made.id}\n{secret}")


@keys.command(name="list")
@takes_settings("data")
def list_keys(given: Given, json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the keys, the revoked ones too, without their secret texts."""
    with exits.reported(json=json, debug=debug), _opened(given) as opened:
        found = opened.all()
        if json:
            print(jsonlib.dumps([asdict(key) for key in found]))
        else:
            _print_table(found)


@keys.command()
@takes_settings("data")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `dagfusion keys list` shows it.")],
    given: Given,
    debug: DebugOption = False,
) -> None:
    """Take a key back: whoever has it is refused from now on."""
    with exits.reported(json=False, debug=debug), _opened(given) as opened:
        if not opened.revoke(key_id):
            raise DagfusionError(f"there is no key '{key_id}' that is good", remedy="see `dagfusion keys list`")
        print(f"{key_id} is revoked")


@contextmanager
def _opened(given: Given) -> Iterator[ApiKeys]:
    from adapters.host.settings import read_settings
    from adapters.service.store import Store

    store = Store(read_settings(given).database)
    try:
        yield store.keys
    finally:
        store.close()


def _check_rate(text: str) -> None:
    from limits import parse_many

    try:
        parse_many(text)
    except ValueError as error:
        raise DagfusionError(f"'{text}' is no rate", remedy="write it as in 60/minute") from error


def _print_table(found: list[ApiKey]) -> None:
    from adapters.host.tables import print_table

    columns = ("Id", "Name", "Scopes", "Rate limit", "Made", "Revoked")
    rows = [
        (key.id, key.name, ",".join(key.scopes), key.rate_limit or "", _day(key.created_at), _day(key.revoked_at))
        for key in found
    ]
    print_table(columns, rows, title=f"{len(found)} API keys")


def _day(time_s: float | None) -> str:
    return "" if time_s is None else datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M")
