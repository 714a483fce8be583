"""``/queue`` and ``/interrupt``: the jobs that wait and run, and stopping them."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.comfy.bodies import ids_of, read_object
from adapters.doors.http.comfy.history_entry import queue_item
from adapters.doors.http.comfy.replies import WireJSON
from adapters.doors.http.services import Services, ServicesNow
from adapters.service.store.records import Job, JobState

router = APIRouter()
_Submitter = Annotated[Caller, Depends(require("submit"))]


@router.get("/queue")
def get_queue(now: ServicesNow, caller: Annotated[Caller, Depends(require("read"))]) -> WireJSON:
    """The running jobs, and the waiting ones in the order in which they will run; of all doors."""
    running, waiting = now.store.jobs.queue()
    return WireJSON({"queue_running": _items(running, now, caller), "queue_pending": _items(waiting, now, caller)})


@router.post("/queue")
async def change_queue(request: Request, now: ServicesNow, caller: _Submitter) -> Response:
    """``clear``: cancel all waiting jobs; ``delete``: those of these ids, unless they run already."""
    body = await read_object(request)
    await run_sync(_remove, now, caller, bool(body.get("clear")), ids_of(body, "delete"))
    return Response()


@router.post("/interrupt")
async def interrupt(request: Request, now: ServicesNow, caller: _Submitter) -> Response:
    """Stop the running job of this ``prompt_id``, or all that run."""
    body = await read_object(request, may_be_empty=True)
    await run_sync(_interrupt, now, caller, body.get("prompt_id"))
    return Response()


def _items(jobs: list[Job], now: Services, caller: Caller) -> list[list[Any]]:
    return [queue_item(job, now.registry) for job in jobs if caller.sees(job.owner)]


def _remove(now: Services, caller: Caller, clear: bool, job_ids: list[str]) -> None:
    waiting = now.store.jobs.queue()[1]
    for job in waiting:
        if caller.sees(job.owner) and (clear or job.id in job_ids):
            now.store.jobs.cancel(job.id, only=JobState.QUEUED)


def _interrupt(now: Services, caller: Caller, job_id: object) -> None:
    for job in now.store.jobs.queue()[0]:
        if caller.sees(job.owner) and (not job_id or job.id == job_id):
            now.store.jobs.cancel(job.id, only=JobState.RUNNING)
