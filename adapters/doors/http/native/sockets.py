"""Jobs' events and previews over WebSockets: those in the past first, then as they happen."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Annotated

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from adapters.doors.http.auth import Caller
from adapters.doors.http.native.access import JobId, Reader, visible_job
from adapters.doors.http.native.event_documents import event_text, preview_frame
from adapters.doors.http.native.events import After
from adapters.doors.http.services import Services, ServicesNow
from adapters.service.store.records import Preview, StoredEvent

router = APIRouter()
Previews = Annotated[bool, Query(description="Send unfinished pictures, as binary messages.")]
Batch = list[StoredEvent] | Preview
_OWNERS_KEPT = 10_000


@router.websocket("/jobs/{job_id}/ws")
async def watch_job(
    socket: WebSocket, job_id: JobId, now: ServicesNow, caller: Reader, after: After = 0, previews: Previews = True
) -> None:
    """One job's events with numbers above ``after``, then its previews among them; closed (1000) at its end."""
    job = await run_sync(visible_job, now, job_id, caller)
    await socket.accept()
    if job.state.ended and after >= job.last_event:
        await socket.close()
        return
    await _send_all(socket, now, now.tail.follow(job_id, after, previews=previews))


@router.websocket("/ws")
async def watch_all(
    socket: WebSocket,
    now: ServicesNow,
    caller: Reader,
    after: Annotated[int | None, Query(ge=0, lt=2**53, description="A position; only what is new if left out.")] = None,
    previews: Previews = False,
) -> None:
    """The events of all jobs that are the caller's to see, with positions above ``after``."""
    # Before the client knows that it is connected: what it does next is new to it.
    start = await run_sync(now.store.events.last_position) if after is None else after
    await socket.accept()
    visible = _Visible(now, caller)
    await _send_all(socket, now, visible.only(now.tail.follow(None, start, previews=previews)))


async def _send_all(socket: WebSocket, now: Services, batches: AsyncGenerator[Batch, None]) -> None:
    """Send until the batches end or the client goes; one that takes too long to read is cut off."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_gone, socket, tasks.cancel_scope)
        with suppress(WebSocketDisconnect, TimeoutError):
            async with aclosing(batches):
                async for batch in batches:
                    with anyio.fail_after(now.settings.send_timeout_s * 2):
                        await _send(socket, batch)
            await socket.close()
        tasks.cancel_scope.cancel()


async def _send(socket: WebSocket, batch: Batch) -> None:
    if isinstance(batch, Preview):
        await socket.send_bytes(preview_frame(batch))
        return
    for event in batch:
        await socket.send_text(event_text(event))


async def _until_gone(socket: WebSocket, watching: anyio.CancelScope) -> None:
    """Read, and forget, what the client sends: otherwise nobody would hear that it has gone."""
    with suppress(WebSocketDisconnect, RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
    watching.cancel()


class _Visible:
    """Leaves out what is not the caller's to see."""

    def __init__(self, now: Services, caller: Caller) -> None:
        self._now, self._caller = now, caller
        self._owners: dict[str, bool] = {}

    async def only(self, batches: AsyncGenerator[Batch, None]) -> AsyncGenerator[Batch, None]:
        async with aclosing(batches):
            async for batch in batches:
                if isinstance(batch, Preview):
                    if await self._sees(batch.job_id):
                        yield batch
                elif visible := [event for event in batch if await self._sees(event.job_id)]:
                    yield visible

    async def _sees(self, job_id: str) -> bool:
        if self._caller.is_admin:
            return True
        if job_id not in self._owners:
            owner = await run_sync(self._now.store.jobs.owner_of, job_id)
            if len(self._owners) >= _OWNERS_KEPT:
                self._owners.clear()
            self._owners[job_id] = owner is not None and self._caller.sees(owner)
        return self._owners[job_id]
