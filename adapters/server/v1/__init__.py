"""The native API, a file a resource."""

from __future__ import annotations

from fastapi import APIRouter

from adapters.server.v1 import jobs

router = APIRouter(prefix="/v1")
router.include_router(jobs.router)
