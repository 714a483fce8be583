"""Makes a runnable prompt of a request: its files taken, its workflow checked."""

from __future__ import annotations

from anyio.to_thread import run_sync

from adapters.doors.http.auth import Caller
from adapters.doors.http.bounds import bounds_of
from adapters.doors.http.native.submission import WorkflowRequest
from adapters.doors.http.native.submission_bodies import Body
from adapters.doors.http.services import Services
from adapters.doors.http.spaces import folders_of
from adapters.service.prepare.preparing import Preparation, Prepared


async def prepare(body: Body[WorkflowRequest], now: Services, caller: Caller) -> Prepared:
    """Take the files, then read and check the workflow; see :meth:`Preparation.prepare`, and what taking raises."""
    files = await now.intake.take(body.sources)
    request = body.request
    preparation = Preparation(now.registry, folders_of(now, caller), now.blobs, bounds_of(now))
    return await run_sync(
        preparation.prepare, body.picture or request.workflow, files, request.overrides, request.targets
    )
