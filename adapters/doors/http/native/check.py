"""Checking a workflow without running it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from adapters.doors.http.native.access import Submitter
from adapters.doors.http.native.memory_estimate import MemoryEstimate, estimate
from adapters.doors.http.native.preparing import prepare
from adapters.doors.http.native.stats import alive
from adapters.doors.http.native.submission import WorkflowRequest
from adapters.doors.http.native.submission_bodies import read_body
from adapters.doors.http.openapi import form_body, problems
from adapters.doors.http.problems import ProblemItem, items_of
from adapters.doors.http.services import Services, ServicesNow
from adapters.host.loading import load_limits
from engine.errors import GraphInvalid
from engine.limits import Limits
from engine.memory_check import with_memory
from engine.prefix_check import prefix_problems
from nodes.families.checking import GIB, file_problems

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
        checked = with_memory(prepared.checked, await run_sync(_limits, now))
    except GraphInvalid as error:  # nodes that are none, overrides of nothing: there is no graph to check
        if body.picture is not None:
            raise
        return _unprepared(error, body.request.workflow)
    finally:
        await body.close()
    folders = now.folders.of(caller.space)
    found = [
        *checked.problems,
        *await run_sync(lambda: list(prefix_problems(checked, prepared.prompt, folders))),
        *await run_sync(lambda: list(file_problems(checked.nodes, now.settings.pickled_gib * GIB))),
    ]
    return Verdict(
        valid=not found,
        problems=items_of(found),
        outputs=list(checked.outputs),
        notes=list(prepared.notes),
        workflow=prepared.prompt,
        memory=await run_sync(estimate, checked),
    )


def _limits(now: Services) -> Limits:
    """Those of the worker that may make most at once; of this machine where none is ready."""
    limits = load_limits(now.settings)
    known = [one.info.get("most_memory_bytes") for one in alive(now) if one.state == "ready"]
    most = max((size for size in known if isinstance(size, int)), default=None)
    return limits if most is None else replace(limits, memory_bytes=most)


def _unprepared(error: GraphInvalid, workflow: dict[str, Any]) -> Verdict:
    return Verdict(
        valid=False,
        problems=items_of(error.problems),
        outputs=[],
        notes=[],
        workflow=workflow,
        memory=MemoryEstimate(),
    )
