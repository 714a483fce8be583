"""What the store refuses."""

from __future__ import annotations

from sqlalchemy.exc import InterfaceError, OperationalError

from engine.errors import DagfusionError

AWAY = (OperationalError, InterfaceError)
"""What SQLAlchemy raises while a database is not there, or locked for too long: the same may work a little later."""


class DatabaseSilent(OperationalError):
    """The database has stopped to answer, and somebody else is trying it already."""

    def __init__(self) -> None:
        super().__init__(None, None, TimeoutError("the database has stopped to answer"))


class DatabaseGone(OperationalError):
    """The database's file is no longer what was opened; whatever is written now is lost."""

    def __init__(self, reason: str) -> None:
        super().__init__(None, None, FileNotFoundError(reason))


class StoreUnavailable(DagfusionError):
    """The database cannot be opened, or holds another version's tables."""


class QueueFull(DagfusionError):
    """As many jobs wait as are allowed to. ``retry_after_s``: when asking again makes sense."""

    def __init__(self, limit: int, retry_after_s: int = 10) -> None:
        super().__init__(f"the queue is full: {limit} jobs are waiting", remedy=f"try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class OwnQueueFull(DagfusionError):
    """As many jobs of this key wait as it may have waiting. ``retry_after_s``: when asking again makes sense."""

    def __init__(self, limit: int, retry_after_s: int = 10) -> None:
        super().__init__(
            f"{limit} jobs of this API key are waiting, which is as many as it may have",
            remedy=f"try again in {retry_after_s} s, when some have started",
        )
        self.retry_after_s = retry_after_s


class IdempotencyConflict(DagfusionError):
    """The idempotency key was used before, for something else."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"idempotency key '{key}' was used for another job", remedy="use a new key for every different request"
        )


class JobIdTaken(DagfusionError):
    """A client chose a job id that another job has."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"a job '{job_id}' exists already", remedy="choose another id, or none")


class LeaseLost(DagfusionError):
    """The job was taken from this worker (its lease ran out): whatever it still does must have no effect."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} is no longer leased to this worker")
