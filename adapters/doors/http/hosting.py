"""For doors that host the HTTP application: the service without a worker, whose jobs a relay has run far away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyio.to_thread import run_sync
from fastapi import FastAPI

from adapters.doors.http.app import create_app
from adapters.doors.http.problems import problem_response
from adapters.doors.http.services import Services
from adapters.host.settings import Settings
from adapters.run.relay.relay import Relay

__all__ = ["Services", "create_relayed_app", "problem_response"]


def create_relayed_app(
    settings: Settings,
    open_relay: Callable[[Services], Relay],
    *,
    drain_s: float = 0.0,
    relay_closed: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The API, and a relay that starts when the application has started and is closed before it stops.

    ``relay_closed`` is called then, while the database is still open.
    """
    app = create_app(settings)
    usual = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with usual(app):
            relay = open_relay(app.state.services)
            await run_sync(relay.start)
            try:
                yield
            finally:
                await run_sync(relay.close, drain_s)
                await run_sync(relay_closed)

    app.router.lifespan_context = lifespan
    return app
