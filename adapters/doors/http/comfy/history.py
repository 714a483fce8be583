"""``/history``: the jobs that have ended, with what they made and what their clients were told."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.comfy.bodies import ids_of, read_object
from adapters.doors.http.comfy.history_entry import history_entry
from adapters.doors.http.comfy.replies import WireJSON
from adapters.doors.http.services import Services, ServicesNow
from adapters.doors.http.spaces import seen_by
from adapters.service.store.records import Job

router = APIRouter()
_Reader = Annotated[Caller, Depends(require("read"))]
_MOST_ENTRIES = 1000
_LEFT_OUT = ("node_progress",)


@router.get("/history")
def get_history(
    now: ServicesNow,
    caller: _Reader,
    max_items: Annotated[int | None, Query(ge=-(2**31), lt=2**31)] = None,
    offset: Annotated[int, Query(ge=-(2**31), lt=2**31)] = -1,
) -> WireJSON:
    """Entries by prompt id, in the order of the jobs' ends: the newest ``max_items``, or from the ``offset``-th on.

    At most 1000 in one reply.
    """
    limit = _MOST_ENTRIES if max_items is None else max(0, min(max_items, _MOST_ENTRIES))
    owner = None if caller.is_admin else caller.owner
    ended = now.store.jobs.ended
    jobs = ended(owner=owner, newest=limit) if offset < 0 else ended(owner=owner, offset=offset, limit=limit)
    return WireJSON(entries_of(now, caller, jobs))


@router.get("/history/{prompt_id}")
def get_history_of(prompt_id: str, now: ServicesNow, caller: _Reader) -> WireJSON:
    """The one entry by its id; empty for jobs that have not ended, and those that are not known."""
    job = None if "\0" in prompt_id else now.store.jobs.get(prompt_id)
    shown = job is not None and caller.sees(job.owner) and job.state.ended and not job.hidden and job.started_at
    return WireJSON(entries_of(now, caller, [job] if job is not None and shown else []))


@router.post("/history")
async def change_history(
    request: Request, now: ServicesNow, caller: Annotated[Caller, Depends(require("submit"))]
) -> Response:
    """``clear`` takes all jobs out of the history, ``delete`` those of these ids."""
    body = await read_object(request)
    await run_sync(_hide, now, caller, bool(body.get("clear")), ids_of(body, "delete"))
    return Response()


def entries_of(now: Services, caller: Caller, jobs: list[Job]) -> dict[str, Any]:
    """The entries of jobs that have ended, by id, with places of files as the caller has them."""
    events = now.store.events.of_jobs([job.id for job in jobs], without=_LEFT_OUT)
    entries = {job.id: history_entry(job, events[job.id], now.registry) for job in jobs}
    for job in jobs:
        entries[job.id]["outputs"] = seen_by(caller, job, entries[job.id]["outputs"])
    return entries


def _hide(now: Services, caller: Caller, clear: bool, job_ids: list[str]) -> None:
    owner = None if caller.is_admin else caller.owner
    if clear or job_ids:
        now.store.jobs.hide(None if clear else job_ids, owner=owner)
