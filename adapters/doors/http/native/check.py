"""Checking a workflow without running it."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from adapters.doors.http.native.access import Submitter
from adapters.doors.http.native.memory_estimate import MemoryEstimate, estimate
from adapters.doors.http.native.preparing import prepare
from adapters.doors.http.native.submission import WorkflowRequest
from adapters.doors.http.native.submission_bodies import read_body
from adapters.doors.http.openapi import form_body, problems
from adapters.doors.http.problems import ProblemItem, items_of
from adapters.doors.http.services import ServicesNow
from engine.errors import GraphInvalid

router = APIRouter(tags=["workflows"])


class Verdict(BaseModel):
    """What was found. `workflow` is what would run: in API form, with overrides and files put in."""

    valid: bool
    problems: list[ProblemItem] = Field(description="Everything that is wrong, with ComfyUI's codes.")
    outputs: list[str] = Field(description="Ids of the output nodes that can run.")
    notes: list[str] = Field(description="What was left out of the workflow when it was read, and what was filled in.")
    workflow: dict[str, Any]
    memory: MemoryEstimate


@router.post(
    "/check",
    operation_id="check_workflow",
    summary="Check a workflow",
    responses=problems(400, 401, 403, 408, 413, 415, 422, 429, 503),
    openapi_extra=form_body(WorkflowRequest),
)
async def check_workflow(request: Request, now: ServicesNow, caller: Submitter) -> Verdict:
    """All problems of a workflow (unknown nodes, missing models, wrong values), and the memory that its models take.

    Status 422 only where the body is no workflow at all.
    """
    body = await read_body(request, WorkflowRequest)
    try:
        prepared = await prepare(body, now, caller)
    except GraphInvalid as error:  # nodes that are none, overrides of nothing: there is no graph to check
        if body.picture is not None:
            raise
        return _unprepared(error, body.request.workflow)
    finally:
        await body.close()
    checked = prepared.checked
    return Verdict(
        valid=not checked.problems,
        problems=items_of(checked.problems),
        outputs=list(checked.outputs),
        notes=list(prepared.notes),
        workflow=prepared.prompt,
        memory=await run_sync(estimate, checked),
    )


def _unprepared(error: GraphInvalid, workflow: dict[str, Any]) -> Verdict:
    return Verdict(
        valid=False,
        problems=items_of(error.problems),
        outputs=[],
        notes=[],
        workflow=workflow,
        memory=MemoryEstimate(),
    )
