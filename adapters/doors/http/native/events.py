"""A job's events over Server-Sent Events: those in the past first, then as they happen, until the job's end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from adapters.doors.http.native.access import JobId, Reader, visible_job
from adapters.doors.http.native.event_documents import EventDocument, event_text
from adapters.doors.http.openapi import problems
from adapters.doors.http.services import Services, ServicesNow
from adapters.service.store.records import Job, Preview

router = APIRouter(prefix="/jobs", tags=["events"])
After = Annotated[int, Query(ge=0, lt=2**53, description="Leave out events up to this number.")]
_PING_S = 15
_EXAMPLE = (
    "id: 3\r\nevent: node_started\r\ndata: "
    '{"number":3,"position":118,"job_id":"0d9f...","time":"2026-01-01T12:00:00+00:00","kind":"node_started",'
    '"data":{"node_id":"5","class_type":"KSampler","display_id":"5"}}\r\n\r\n'
)


@router.get(
    "/{job_id}/events",
    operation_id="stream_events",
    summary="Follow a job (SSE)",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "A stream of events; the data of each is an `EventDocument`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        # Not answered in this form; it puts the form of an event's data into the document.
        "default": {"model": EventDocument, "description": "The data of one event."},
        **problems(401, 403, 404, 422, 429),
    },
)
async def stream_events(
    job_id: JobId,
    now: ServicesNow,
    caller: Reader,
    after: After = 0,
    last_event_id: Annotated[str | None, Header(description="What browsers send when they come back.")] = None,
) -> EventSourceResponse:
    """All events with numbers above `after` (or `Last-Event-ID`), in order and without gaps; ends with the job."""
    job = await run_sync(visible_job, now, job_id, caller)
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        after = max(after, min(int(last_event_id[:16]), 2**53))
    return EventSourceResponse(
        _stream(now, job, after),
        ping=_PING_S,
        send_timeout=now.settings.send_timeout_s,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(now: Services, job: Job, after: int) -> AsyncIterator[ServerSentEvent]:
    if job.state.ended and after >= job.last_event:
        return
    async with aclosing(now.tail.follow(job.id, after)) as batches:
        async for batch in batches:
            assert not isinstance(batch, Preview)
            for event in batch:
                yield ServerSentEvent(event_text(event), event=event.kind, id=str(event.number))
