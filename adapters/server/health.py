"""Whether the service lives, and whether it can run jobs."""

from __future__ import annotations

from anyio.to_thread import run_sync
from fastapi import APIRouter, Response
from pydantic import BaseModel

from adapters.server.services import ServicesNow

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The web process answers."""

    status: str = "ok"


class Readiness(BaseModel):
    """How many workers are ready for jobs, and how many are still loading."""

    ready: bool
    workers_ready: int
    workers_starting: int


@router.get("/health", operation_id="get_health", summary="Whether the web process lives")
async def get_health() -> Health:
    """Answers as soon as the process serves; says nothing of workers."""
    return Health()


@router.get(
    "/ready", operation_id="get_ready", summary="Whether a worker is ready", responses={503: {"model": Readiness}}
)
async def get_ready(now: ServicesNow, response: Response) -> Readiness:
    """Status 503 until a worker has started and loaded the models it was told to."""
    workers = await run_sync(now.store.workers.alive, now.settings.lease_s)
    ready = sum(worker.state == "ready" for worker in workers)
    if not ready:
        response.status_code = 503
    starting = sum(worker.state == "starting" for worker in workers)
    return Readiness(ready=ready > 0, workers_ready=ready, workers_starting=starting)
