"""``POST /v1/jobs``: submits a job."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Request, Response

from adapters.doors.http.native.access import Submitter
from adapters.doors.http.native.job_documents import JobDocument, job_document
from adapters.doors.http.native.output_documents import Delivery
from adapters.doors.http.native.preparing import prepare
from adapters.doors.http.native.submission import IdempotencyKey, JobRequest, RunOptions
from adapters.doors.http.native.submission_bodies import read_body
from adapters.doors.http.native.submitting import submit
from adapters.doors.http.native.waiting import Wait, until_ended
from adapters.doors.http.openapi import form_body, problems
from adapters.doors.http.services import Services, ServicesNow
from adapters.service.store.records import Job

router = APIRouter(prefix="/jobs", tags=["jobs"])
KeyHeader = Annotated[IdempotencyKey | None, Header(description="The same as the field `idempotency_key`.")]
ACCEPTED: dict[int | str, dict[str, Any]] = {
    200: {"model": JobDocument, "description": "The job, which has ended within `wait`."},
    202: {
        "model": JobDocument,
        "description": "The job, which waits or runs.",
        "headers": {"Location": {"description": "Where to look it up.", "schema": {"type": "string"}}},
    },
    **problems(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
}


@router.post(
    "",
    operation_id="submit_job",
    summary="Submit a job",
    status_code=202,
    responses=ACCEPTED,
    openapi_extra=form_body(JobRequest),
)
async def submit_job(
    request: Request,
    response: Response,
    now: ServicesNow,
    caller: Submitter,
    idempotency_key: KeyHeader = None,
    wait: Wait = 0,
    delivery: Annotated[Delivery | None, Query(description="Of the outputs in this reply.")] = None,
) -> JobDocument:
    """Check a workflow and put it into the queue; everything that is wrong with it is told before that.

    As multipart: the parts `workflow` (JSON, or a picture that carries one), the other fields (objects and lists as
    JSON), and each file under the name that the workflow has for it.
    """
    body = await read_body(request, JobRequest)
    try:
        prepared = await prepare(body, now, caller)
    finally:
        await body.close()
    wanted = body.request
    if idempotency_key is not None:
        wanted = wanted.model_copy(update={"idempotency_key": idempotency_key})
    job, new = await submit(wanted, prepared, now, caller)
    document = await reply(job, new, now, response, wait, delivery)
    return with_new_secret(document, job, wanted)


async def reply(
    job: Job, new: bool, now: Services, response: Response, wait: float, delivery: Delivery | None
) -> JobDocument:
    """The document of a job that was just submitted, after waiting for its end where that was asked for.

    Status 200 where that has ended, else 202.
    """
    await until_ended(now, job, wait)
    document = await run_sync(_document, job, now, wait, delivery)
    response.headers["Location"] = f"{now.settings.public_url.rstrip('/')}/v1/jobs/{job.id}"
    if not new:
        response.headers["Idempotent-Replayed"] = "true"
    response.status_code = 200 if document.state.ended else 202
    return document


def with_new_secret(document: JobDocument, job: Job, request: RunOptions) -> JobDocument:
    """The same, telling the secret that was made for the webhook where the request brought none."""
    if job.webhook is not None and request.webhook is not None and request.webhook.secret is None:
        document.webhook_secret = job.webhook.secret
    return document


def _document(job: Job, now: Services, waited_s: float, delivery: Delivery | None) -> JobDocument:
    """In one thread: each way there and back costs."""
    latest = now.store.jobs.get(job.id) if waited_s else None
    return job_document(latest or job, now, delivery)
