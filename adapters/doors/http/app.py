"""The application that the web process serves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from adapters.doors.http import comfy, frontend, health, metrics, native, page
from adapters.doors.http.background import running
from adapters.doors.http.bodies import BodyLimits
from adapters.doors.http.hosts import HostGuard
from adapters.doors.http.openapi import complete
from adapters.doors.http.options import AnswersOptions
from adapters.doors.http.problems import add_handlers
from adapters.doors.http.replies import Replies
from adapters.doors.http.revocation import EndsWithItsKey, Visits
from adapters.doors.http.tracing import RequestSpans, open_tracer
from adapters.host.settings import Settings

_DESCRIPTION = "Executes ComfyUI workflow graphs. Errors are problem details (RFC 9457)."


def create_app(settings: Settings) -> FastAPI:
    """The native API, ComfyUI's protocol and the page. Nothing is opened before the application starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(app, settings):
            yield

    app: FastAPI = FastAPIOffline(
        title="dagfusion", version=version("dagfusion"), description=_DESCRIPTION, lifespan=lifespan
    )
    app.state.metrics = metrics.Metrics()
    app.state.visits = Visits()
    app.state.tracer = open_tracer() if settings.tracing else None
    add_handlers(app)
    _add_middleware(app, settings)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(native.router)
    folder = frontend.folder_of(settings.frontend) if settings.frontend else None
    app.include_router(page.home if folder is None else frontend.page(folder))
    app.include_router(page.router)
    app.router.routes.append(page.files)
    for prefix in ("", "/api"):
        app.include_router(comfy.router, prefix=prefix)
        app.include_router(frontend.templates, prefix=prefix)
    app.include_router(comfy.below_api, prefix="/api")
    if folder is not None:
        app.router.routes.append(frontend.files(folder))
    _complete_openapi(app)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the outermost."""
    app.add_middleware(AnswersOptions)
    app.add_middleware(BodyLimits, settings=settings)
    app.add_middleware(EndsWithItsKey, visits=app.state.visits)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"],
        )
    app.add_middleware(HostGuard, settings=settings)
    if app.state.tracer is not None:
        app.add_middleware(RequestSpans, tracer=app.state.tracer)
    app.add_middleware(Replies, observe=app.state.metrics.request)


def _complete_openapi(app: FastAPI) -> None:
    usual = app.openapi

    def openapi() -> dict[str, Any]:
        return app.openapi_schema or complete(usual())

    app.openapi = openapi  # type: ignore[method-assign]
