"""Pictures by plain parameters, for clients that want no graph."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response

from adapters.doors.http.auth import Caller
from adapters.doors.http.bodies import StrictRoute
from adapters.doors.http.native.access import Submitter
from adapters.doors.http.native.job_documents import JobDocument
from adapters.doors.http.native.output_documents import Delivery
from adapters.doors.http.native.preparing import prepare
from adapters.doors.http.native.submission import GenerateRequest, RunOptions, WorkflowRequest
from adapters.doors.http.native.submission_bodies import Body
from adapters.doors.http.native.submit import ACCEPTED, KeyHeader, reply, with_new_secret
from adapters.doors.http.native.submitting import submit
from adapters.doors.http.native.waiting import Wait
from adapters.doors.http.services import Services, ServicesNow
from adapters.doors.http.spaces import folders_of
from adapters.service.prepare.generate.compose import compose
from adapters.service.prepare.generate.parameters import PictureParameters
from adapters.service.store.records import Job

router = APIRouter(tags=["generate"], route_class=StrictRoute)


@router.post("/generate", operation_id="generate", summary="Make a picture", status_code=202, responses=ACCEPTED)
async def generate(
    body: GenerateRequest,
    response: Response,
    now: ServicesNow,
    caller: Submitter,
    idempotency_key: KeyHeader = None,
    wait: Wait = 0,
    delivery: Annotated[Delivery | None, Query(description="Of the outputs in this reply.")] = None,
) -> JobDocument:
    """Text to image, image to image, inpainting, with ControlNets, LoRAs and an upscaler: a job like any other.

    With `wait` the reply has the finished picture, or the job as it stands then.
    """
    options = body if idempotency_key is None else body.model_copy(update={"idempotency_key": idempotency_key})
    job, new = await generate_job(body, options, now, caller)
    document = await reply(job, new, now, response, wait, delivery)
    return with_new_secret(document, job, body)


async def generate_job(
    parameters: PictureParameters, options: RunOptions, now: Services, caller: Caller
) -> tuple[Job, bool]:
    """Compose the workflow and put it into the queue; see :func:`submit`."""
    if parameters.seed is None and options.idempotency_key is not None:
        # Two requests of one key are to be the same, so its seed is not left to chance.
        digest = sha256(f"{caller.owner}\n{options.idempotency_key}".encode()).digest()
        parameters = parameters.model_copy(update={"seed": int.from_bytes(digest[:4])})
    made = await run_sync(compose, parameters, folders_of(now, caller), now.warm)
    request = WorkflowRequest(workflow=dict(made.nodes), files=dict(made.files))
    prepared = await prepare(Body(request, request.files), now, caller)
    prepared = replace(prepared, notes=(*made.notes, *prepared.notes))
    return await submit(options, prepared, now, caller, {"seed": made.seed})
