"""The application that the web process serves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.to_thread import run_sync
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from adapters.server import comfy, health, page, v1
from adapters.server.bodies import BodyLimits
from adapters.server.hosts import HostGuard
from adapters.server.problems import add_handlers
from adapters.server.replies import Replies
from adapters.server.services import open_services
from adapters.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The native API, ComfyUI's protocol and the page. Nothing is opened before the application starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = await run_sync(open_services, settings)
        app.state.services = services
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(services.tail.run)
                yield
                tasks.cancel_scope.cancel()
        finally:
            await services.outbound.aclose()
            await run_sync(services.store.close)

    app = FastAPI(title="dagfusion", version="1", lifespan=lifespan)
    add_handlers(app)
    _add_middleware(app, settings)
    app.include_router(health.router)
    app.include_router(v1.router)
    app.include_router(page.router)
    app.router.routes.append(page.files)
    for prefix in ("", "/api"):
        app.include_router(comfy.router, prefix=prefix)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the outermost."""
    app.add_middleware(BodyLimits, settings=settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"],
        )
    app.add_middleware(HostGuard, settings=settings)
    app.add_middleware(Replies, observe=lambda *_: None)
