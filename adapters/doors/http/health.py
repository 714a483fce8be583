"""Whether the service lives, and whether it can run jobs."""

from __future__ import annotations

from anyio.to_thread import run_sync
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from adapters.doors.http.services import Services, ServicesNow
from adapters.service.needs import unmet

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The web process answers."""

    status: str = "ok"


class Readiness(BaseModel):
    """How many workers are ready for jobs, and how many are still loading; what keeps the service from its work."""

    ready: bool
    workers_ready: int
    workers_starting: int
    faults: list[str] = Field(default=[], description="Folders that are gone or cannot be written to.")
    unmet: list[str] = Field(default=[], description="What waiting jobs need and no worker that is ready has.")


@router.get("/health", operation_id="get_health", summary="Whether the web process lives")
async def get_health() -> Health:
    """Answers as soon as the process serves; says nothing of workers."""
    return Health()


@router.get(
    "/ready", operation_id="get_ready", summary="Whether a worker is ready", responses={503: {"model": Readiness}}
)
async def get_ready(now: ServicesNow, response: Response) -> Readiness:
    """Status 503 until a worker has started and loaded the models it was told to."""
    readiness = await _readiness(now)
    if not readiness.ready:
        response.status_code = 503
    return readiness


@router.get(
    "/ping",
    operation_id="ping",
    summary="Whether a worker is ready, as a platform's load balancer asks",
    response_model=Readiness,
    responses={204: {"description": "No worker is ready yet.", "model": None}},
)
async def ping(now: ServicesNow) -> Readiness | Response:
    """Status 204 until a worker has started and loaded the models it was told to: not ready yet, but well."""
    readiness = await _readiness(now)
    return readiness if readiness.ready else Response(status_code=204)


async def _readiness(now: Services) -> Readiness:
    workers = await run_sync(now.store.workers.alive, now.settings.lease_s)
    own = await run_sync(now.folder_faults.found)
    ready = [worker for worker in workers if worker.state == "ready"]
    able = [worker for worker in ready if not worker.info.get("faults")]
    theirs = {fault for worker in ready for fault in worker.info.get("faults", ())}
    lacking = {digest for worker in able for digest in worker.info.get("lacks", ())}
    starting = sum(worker.state == "starting" for worker in workers)
    return Readiness(
        ready=bool(able) and not own,
        workers_ready=len(able),
        workers_starting=starting,
        faults=[*own, *sorted(theirs - {*own})],
        unmet=sorted({need for digest in lacking for need in unmet(digest, able)}),
    )
