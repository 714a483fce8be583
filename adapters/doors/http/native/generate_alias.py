"""``POST /generate`` as serverless SDXL workers have it: diffusers' names in, data URLs out, in one request."""

from __future__ import annotations

import base64

from anyio.to_thread import run_sync
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from adapters.doors.http.bodies import StrictRoute
from adapters.doors.http.native.access import Submitter
from adapters.doors.http.native.generate import generate_job
from adapters.doors.http.native.output_documents import is_picture
from adapters.doors.http.native.submission import RunOptions
from adapters.doors.http.native.waiting import MAX_WAIT_S, until_ended
from adapters.doors.http.openapi import problems
from adapters.doors.http.services import Services, ServicesNow
from adapters.doors.http.statuses import STATUSES
from adapters.service.error_table import row_named
from adapters.service.prepare.generate.diffusers_names import translated
from adapters.service.prepare.generate.parameters import PictureParameters
from adapters.service.prepare.generate.worker_input import WorkerInput
from adapters.service.prepare.validation import validated
from adapters.service.store.records import Job, JobState

router = APIRouter(tags=["generate"], route_class=StrictRoute)


class WorkerRequest(WorkerInput):
    """`{"input": {...}}` as serverless platforms send it, or its contents alone, in diffusers' names."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"input": {"prompt": "a red circle", "num_inference_steps": 20, "seed": 7}}},
    )

    input: WorkerInput | None = None


class WorkerError(BaseModel):
    """Why there are no pictures."""

    type: str
    message: str
    remedy: str = ""


class WorkerReply(BaseModel):
    """Pictures as data URLs; `image_url` is the first one. Or an `error`."""

    images: list[str] = []
    image_url: str | None = None
    seed: int | None = None
    job_id: str
    error: WorkerError | None = None
    notes: list[str] = Field(default=[], description="What of the request had no effect.")


@router.post(
    "/generate",
    operation_id="generate_as_worker",
    summary="Make a picture, as serverless SDXL workers do",
    responses={
        **problems(400, 401, 403, 408, 413, 415, 422, 429, 503),
        **{
            status: {"model": WorkerReply, "description": "The job failed; `error` says why."}
            for status in (409, 500, 502, 504, 507)
        },
    },
)
async def generate_as_worker(
    body: WorkerRequest, response: Response, now: ServicesNow, caller: Submitter
) -> WorkerReply:
    """Waits for the picture, up to ten minutes; after that the job goes on, and can be asked for by its id."""
    given = body.input if body.input is not None else body
    parameters = validated(PictureParameters, translated(given.given()))
    job, _ = await generate_job(parameters, RunOptions(previews=False), now, caller)
    await until_ended(now, job, MAX_WAIT_S)
    latest = await run_sync(now.store.jobs.get, job.id)
    job = latest or job
    notes = job.options["notes"]
    if job.state is JobState.COMPLETED:
        images = await run_sync(_images, job, now)
        return WorkerReply(
            images=images, image_url=next(iter(images), None), seed=job.options["seed"], job_id=job.id, notes=notes
        )
    error = _error(job)
    response.status_code = STATUSES[row_named(error.type).code]
    return WorkerReply(seed=job.options["seed"], job_id=job.id, error=error, notes=notes)


def _images(job: Job, now: Services) -> list[str]:
    found = [output for output in now.store.jobs.outputs(job.id) if is_picture(output)]
    return [
        f"data:{output.media_type};base64,{base64.b64encode(b''.join(now.blobs.chunks(output.digest or ''))).decode()}"
        for output in found
    ]


def _error(job: Job) -> WorkerError:
    if job.error is not None:
        return WorkerError(type=job.error["type"], message=job.error["message"], remedy=job.error.get("remedy", ""))
    if job.state is JobState.CANCELLED:
        return WorkerError(type="Cancelled", message="the job was cancelled")
    remedy = f"ask GET /v1/jobs/{job.id} for it later"
    return WorkerError(type="TimeLimit", message=f"the picture was not ready within {MAX_WAIT_S} s", remedy=remedy)
