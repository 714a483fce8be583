"""What the web process does besides answering: follow the event log, send webhooks, count, trace."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio
from anyio.to_thread import current_default_thread_limiter, run_sync
from fastapi import FastAPI

from adapters.doors.http.metrics import Metrics, Now
from adapters.doors.http.native.messages import whole_body
from adapters.doors.http.services import Services, open_services
from adapters.doors.http.tracing import export_rest, trace_jobs
from adapters.host.settings import Settings
from adapters.service.store.errors import AWAY
from adapters.service.store.outage import report_outage
from adapters.service.webhooks.courier import Courier

_RETRY_S = 1.0
_THREADS = 160  # far more than may use the database at a time, so that what needs none of it goes on while that hangs
_LAST_DELIVERIES_S = 3.0
_LAST_SPANS_S = 3.0
_log = logging.getLogger(__name__)


@asynccontextmanager
async def running(app: FastAPI, settings: Settings) -> AsyncIterator[None]:
    """Open the services into ``app.state.services``, and keep the tasks going until the application stops."""
    current_default_thread_limiter().total_tokens = _THREADS
    services = await run_sync(open_services, settings)
    app.state.services = services
    metrics: Metrics = app.state.metrics
    metrics.registry.register(Now(services))
    courier = Courier(services.store.outbox, services.outbound, body_of=partial(whole_body, services))
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(steadily, services.tail.run)
            tasks.start_soon(steadily, partial(app.state.visits.watch, services.store.keys))
            tasks.start_soon(steadily, partial(metrics.follow, services))
            tasks.start_soon(steadily, partial(_watch_folders, services))
            if app.state.tracer is not None:
                tasks.start_soon(steadily, partial(trace_jobs, services, app.state.tracer))
            async with anyio.create_task_group() as deliveries:
                deliveries.start_soon(courier.run)
                yield
                courier.stop()
                deliveries.cancel_scope.deadline = anyio.current_time() + _LAST_DELIVERIES_S
            tasks.cancel_scope.cancel()
    finally:
        if app.state.tracer is not None:  # uvicorn ends by the signal it got, which leaves no other time for it
            with anyio.move_on_after(_LAST_SPANS_S, shield=True):
                await run_sync(partial(export_rest, app.state.tracer), abandon_on_cancel=True)
        await services.outbound.aclose()
        await run_sync(services.store.close)


async def _watch_folders(services: Services) -> None:
    """Let the log hear of a folder that is gone before anybody asks."""
    while True:
        await run_sync(services.folder_faults.found)
        await anyio.sleep(services.settings.lease_s / 3)


async def steadily(task: Callable[[], Awaitable[None]]) -> None:
    """Run ``task``, again and again where it fails: the database may come back."""
    while True:
        try:
            await task()
        except AWAY as error:
            report_outage(_log, error, "the database does not answer")
        except Exception as error:  # noqa: BLE001 - it must go on whatever happens
            _log.error("a background task failed and is started again", exc_info=error)
        await anyio.sleep(_RETRY_S)
