"""Trace and span ids derived from the job's id: so two web processes report the same trace, and it can be found."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

_job: ContextVar[tuple[str, int] | None] = ContextVar("job", default=None)


@contextmanager
def ids_of(job_id: str, number: int) -> Iterator[None]:
    """Within, a span that is started is the one of this event of the job."""
    token = _job.set((job_id, number))
    try:
        yield
    finally:
        _job.reset(token)


def trace_id_of(job_id: str) -> int:
    """The id itself where it is a UUID, which a new job's is; else 128 bits of its SHA-256."""
    try:
        return uuid.UUID(job_id).int
    except ValueError:
        return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:16])


class JobIds(IdGenerator):
    """Random ids, except for the spans of jobs."""

    def __init__(self) -> None:
        self._others = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        """128 bits."""
        job = _job.get()
        return self._others.generate_trace_id() if job is None else trace_id_of(job[0])

    def generate_span_id(self) -> int:
        """64 bits."""
        job = _job.get()
        if job is None:
            return self._others.generate_span_id()
        return int.from_bytes(hashlib.sha256(f"{job[0]}\n{job[1]}".encode()).digest()[:8])
