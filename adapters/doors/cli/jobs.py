"""``dagfusion jobs``: the records of jobs, for other programs, and their removal."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.doors.cli import exits
from adapters.doors.cli.options import DebugOption, Given, takes_settings
from engine.errors import DagfusionError

if TYPE_CHECKING:
    from adapters.service.store import Store
    from adapters.service.store.records import Job

jobs = typer.Typer(help="Export the records of jobs, or remove old ones.", no_args_is_help=True, rich_markup_mode=None)

_PAGE = 200
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


@jobs.command()
@takes_settings("data")
def export(
    given: Given,
    state: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="STATE", help="queued, running, completed, failed or cancelled; repeatable."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="An age as in 12h or 7d, or a date as in 2026-01-31.")
    ] = None,
    events: Annotated[bool, typer.Option("--events", help="With every job's event log.")] = False,
    debug: DebugOption = False,
) -> None:
    """Print jobs as JSON lines, newest first: request, state, progress, error, outputs."""
    with exits.reported(json=False, debug=debug):
        _export(given, state or [], since, events=events)


@jobs.command()
@takes_settings("data", "input", "output")
def cleanup(
    given: Given,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="As in 12h or 7d [DAGFUSION_RETENTION_DAYS].")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Forget jobs that ended longer ago than that, and remove files that no job has."""
    with exits.reported(json=False, debug=debug):
        from adapters.host.settings import read_settings
        from adapters.service.maintenance import clean_up
        from adapters.service.store import Store

        settings = read_settings(given)
        days = None if older_than is None else _age_s(older_than) / _UNITS_S["d"]
        store = Store(settings.database)
        try:
            forgotten, removed = clean_up(store, settings, days)
        finally:
            store.close()
        print(f"{forgotten} jobs forgotten, {removed} files removed")


def _export(given: Given, states: list[str], since: str | None, *, events: bool) -> None:
    from adapters.host.settings import read_settings
    from adapters.service.store import Store
    from adapters.service.store.records import JobState

    unknown = [state for state in states if state not in set(JobState)]
    if unknown:
        raise DagfusionError(f"there is no state '{unknown[0]}'", remedy=f"one of: {', '.join(JobState)}")
    created_after = None if since is None else _moment(since)
    store = Store(read_settings(given).database)
    try:
        before = None
        while page := store.jobs.find(
            states=[JobState(state) for state in states], created_after=created_after, before=before, limit=_PAGE
        ):
            for job in page:
                sys.stdout.write(json.dumps(_document(store, job, events=events), ensure_ascii=False) + "\n")
            before = page[-1].sequence
    finally:
        store.close()


# What the API's documents say of a job, by their names, and of whom and what the queue has it.
_AS_IT_IS = (
    *("id", "state", "source", "owner", "client_id", "priority", "attempts", "max_attempts", "time_limit_s"),
    *("cancel_requested", "idempotency_key", "targets", "options", "progress", "error", "last_event"),
)
_OUTPUT = (
    *("name", "node_id", "class_type", "kind", "cached", "media_type", "size_bytes"),
    *("filename", "subfolder", "folder"),
)


def _document(store: Store, job: Job, *, events: bool) -> dict[str, Any]:
    document: dict[str, Any] = {name: getattr(job, name) for name in _AS_IT_IS}
    document |= {name: _iso(getattr(job, name)) for name in ("created_at", "started_at", "finished_at")}
    document |= {"seed": job.options.get("seed"), "notes": list(job.options.get("notes", ())), "workflow": job.prompt}
    if job.webhook is not None:
        document["webhook"] = {"url": job.webhook.url, "events": list(job.webhook.events)}
    document["outputs"] = [
        {name: getattr(one, name) for name in _OUTPUT} | {"sha256": one.digest, "value": one.data}
        for one in store.jobs.outputs(job.id)
    ]
    if events:
        document["events"] = list(_events(store, job))
    return document


def _events(store: Store, job: Job) -> Iterator[dict[str, Any]]:
    last = 0
    while batch := store.events.of_job(job.id, after=last):
        last = batch[-1].number
        for one in batch:
            places = {"number": one.number, "position": one.position, "job_id": one.job_id}
            yield {**places, "time": _iso(one.time), "kind": one.kind, "data": dict(one.data)}


def _iso(time_s: float | None) -> str | None:
    return None if time_s is None else datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")


def _moment(text: str) -> float:
    """Unix seconds of a date, or of so long ago."""
    if _AGE.fullmatch(text):
        return time.time() - _age_s(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        remedy = "write an age as in 12h or 7d, or a date as in 2026-01-31 or 2026-01-31T12:00"
        raise DagfusionError(f"'{text}' is no time", remedy=remedy) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _age_s(text: str) -> float:
    found = _AGE.fullmatch(text)
    if found is None:
        raise DagfusionError(f"'{text}' is no age", remedy="write a number with s, m, h, d or w, as in 12h or 7d")
    return float(found[1]) * _UNITS_S[found[2]]
