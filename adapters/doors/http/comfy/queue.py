"""``/queue`` and ``/interrupt``: the jobs that wait and run, and stopping them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.comfy.bodies import ids_of, read_object
from adapters.doors.http.comfy.history_entry import queue_item
from adapters.doors.http.comfy.replies import WireJSON, wire_json
from adapters.doors.http.services import Services, ServicesNow
from adapters.service.store.records import JobState, Standing

router = APIRouter()
_Submitter = Annotated[Caller, Depends(require("submit"))]


@router.get("/queue")
def get_queue(now: ServicesNow, caller: Annotated[Caller, Depends(require("read"))]) -> Response:
    """The running jobs, and the waiting ones in the order in which they will run; of all doors."""
    running, waiting = (_items(jobs, now, caller) for jobs in now.store.jobs.standing())
    body = b'{"queue_running": [%b], "queue_pending": [%b]}' % (b", ".join(running), b", ".join(waiting))
    return Response(body, media_type=WireJSON.media_type)


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


def _items(jobs: list[Standing], now: Services, caller: Caller) -> list[bytes]:
    """Each job as :func:`queue_item` writes it, which it does once: nothing of it changes."""

    def encoded(numbers: Sequence[int]) -> dict[int, bytes]:
        found = now.store.jobs.numbered(numbers)
        return {job.sequence: wire_json(queue_item(job, now.registry)) for job in found}

    return now.queue_items.of([job.sequence for job in jobs if caller.sees(job.owner)], encoded)


def _remove(now: Services, caller: Caller, clear: bool, job_ids: list[str]) -> None:
    wanted = set(job_ids)
    for job in now.store.jobs.standing()[1]:
        if caller.sees(job.owner) and (clear or job.id in wanted):
            now.store.jobs.cancel(job.id, only=JobState.QUEUED)


def _interrupt(now: Services, caller: Caller, job_id: object) -> None:
    for job in now.store.jobs.standing()[0]:
        if caller.sees(job.owner) and (not job_id or job.id == job_id):
            now.store.jobs.cancel(job.id, only=JobState.RUNNING)
