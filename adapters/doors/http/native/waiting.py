"""Waiting for a job's end within a request."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated

import anyio
from fastapi import Query

from adapters.doors.http.services import Services
from adapters.service.store.records import Job

MAX_WAIT_S = 600
Wait = Annotated[float, Query(ge=0, le=MAX_WAIT_S, description="Wait up to so many seconds for the job's end.")]


async def until_ended(now: Services, job: Job, seconds: float) -> None:
    """Return once the job has ended, or after ``seconds``."""
    if job.state.ended or not seconds:
        return
    with anyio.move_on_after(seconds):
        async with aclosing(now.tail.follow(job.id, job.last_event)) as batches:
            async for _ in batches:
                pass
