"""The native API, a file a resource."""

from __future__ import annotations

from fastapi import APIRouter

from adapters.doors.http.native import (
    catalog,
    check,
    events,
    generate,
    generate_alias,
    graphs,
    jobs,
    keys,
    outputs,
    sockets,
    stats,
    submit,
    webhooks,
)
from adapters.doors.http.openapi import problems

router = APIRouter(responses=problems(401, 403, 422, 429))
for _resource in (submit, jobs, outputs, events, sockets, check, generate, catalog, graphs, webhooks, keys):
    router.include_router(_resource.router, prefix="/v1")
router.include_router(stats.router)
router.include_router(generate_alias.router)
