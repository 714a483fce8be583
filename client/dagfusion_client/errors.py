"""What can go wrong, as a tree."""

from __future__ import annotations

from dagfusion_client.models import JobDocument, ProblemDetails


class DagfusionClientError(Exception):
    """Root of the tree."""


class Unreachable(DagfusionClientError):
    """The service does not answer, also after trying again."""


class Refused(DagfusionClientError):
    """The service answered with a problem. ``problem`` is its document, where it sent one."""

    def __init__(self, status: int, problem: ProblemDetails | None, text: str = "") -> None:
        self.status = status
        self.problem = problem
        detail = (problem and (problem.detail or problem.title)) or text[:200] or "no reason given"
        super().__init__(f"{status}: {detail}")


class TimedOut(DagfusionClientError):
    """The job had not ended in the time that the caller gave. It goes on."""

    def __init__(self, job_id: str, timeout_s: float) -> None:
        self.job_id = job_id
        super().__init__(f"job {job_id} has not ended within {timeout_s:g} s; it goes on")


class JobFailed(DagfusionClientError):
    """The job ended with an error, which ``job.error`` has."""

    def __init__(self, job: JobDocument) -> None:
        self.job = job
        super().__init__(f"job {job.id} failed: {job.error.message if job.error else 'no reason given'}")


class JobCancelled(DagfusionClientError):
    """The job was cancelled."""

    def __init__(self, job: JobDocument) -> None:
        self.job = job
        super().__init__(f"job {job.id} was cancelled")
