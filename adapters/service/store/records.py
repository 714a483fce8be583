"""What the store takes and gives: jobs, events, outputs, deliveries, as plain values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

HIGHEST_PRIORITY = 1000
WEBHOOK_EVENTS = ("progress", "completed", "failed", "cancelled")


class JobState(StrEnum):
    """Where a job is in its life. The last three are ends: nothing changes after them."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in ENDED


ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to send which of :data:`WEBHOOK_EVENTS`, signed with ``secret``.

    ``links_at``: the service's address as the submitter used it, for links where no setting says one.
    """

    url: str
    secret: str
    events: tuple[str, ...] = ("completed", "failed", "cancelled")
    links_at: str = ""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that came with a job: its name in the request, and where it is now."""

    name: str
    digest: str
    stored_name: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A checked request. ``prompt`` is the workflow in API form; ``targets`` the wanted output nodes (None: all).

    ``rank``: ComfyUI's queue number; ``front`` puts the job before all others of its priority. ``options``: what the
    door that took it wants to know again (output format, ...); it is not interpreted here. ``own_secret``: that of
    the webhook came with the request. ``space``: whose folders it reads and writes; empty where they are everybody's.
    ``needs``: what a worker must have to run it, beyond what all have.
    """

    prompt: Mapping[str, Any]
    extra_pnginfo: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] | None = None
    id: str | None = None
    source: str = "native"
    owner: str = ""
    client_id: str | None = None
    priority: int = 0
    rank: float | None = None
    front: bool = False
    max_attempts: int = 3
    time_limit_s: float = 3600.0
    idempotency_key: str | None = None
    files: tuple[InputFile, ...] = ()
    webhook: Webhook | None = None
    own_secret: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    space: str = ""
    needs: tuple[str, ...] = ()

    @property
    def needs_digest(self) -> str:
        """The same for the same needs; empty for none."""
        return hashlib.sha256("\n".join(self.needs).encode()).hexdigest()[:32] if self.needs else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stands. ``error`` has ``type``, ``message``, ``remedy`` and, where known, the node."""

    sequence: int
    id: str
    state: JobState
    source: str
    owner: str
    client_id: str | None
    priority: int
    rank: float
    created_at: float
    started_at: float | None
    finished_at: float | None
    attempts: int
    max_attempts: int
    time_limit_s: float
    lease_owner: str | None
    cancel_requested: bool
    hidden: bool
    idempotency_key: str | None
    prompt: Mapping[str, Any]
    extra_pnginfo: Mapping[str, Any]
    targets: tuple[str, ...] | None
    options: Mapping[str, Any]
    webhook: Webhook | None
    progress: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    last_event: int
    space: str = ""
    needs: tuple[str, ...] = ()
    needs_digest: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Of a job that waits or runs, no more than who it is and whose. ``sequence`` is its number for good."""

    sequence: int
    id: str
    owner: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's right to run a job: good for one attempt, until it runs out or is taken away."""

    job_id: str
    owner: str
    attempt: int


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something to be recorded for a job; it gets its numbers when it is stored."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """``number`` counts within the job, ``position`` over all jobs. ``size_bytes``: about, if read in pages."""

    position: int
    job_id: str
    number: int
    time: float
    kind: str
    data: Mapping[str, Any]
    size_bytes: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One thing that an output node made: a file (``digest``, and where the node saved it) or ``data``.

    ``name`` is unique within the job and good for URLs. ``found``: the file was there before the job, which showed it.
    """

    name: str
    node_id: str
    class_type: str
    kind: str
    cached: bool
    media_type: str | None = None
    size_bytes: int | None = None
    digest: str | None = None
    folder: str | None = None
    subfolder: str | None = None
    filename: str | None = None
    data: Any = None
    found: bool = False


class OwnFile(NamedTuple):
    """A file that a job put into ``folder`` (``input``, ``output``, ``temp``) of its space, and its contents then."""

    space: str
    folder: str
    subfolder: str
    filename: str
    digest: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a forgotten job had: ``file``, or with an empty folder the blob. ``ended_at``: when the job did."""

    id: int
    job_id: str
    file: OwnFile
    ended_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A webhook message. ``attempts`` counts those before the one that is due."""

    id: str
    job_id: str
    event: str
    url: str
    secret: str
    body: str
    state: str
    attempts: int
    next_at: float
    created_at: float
    last_status: int | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """The newest unfinished picture of a job, encoded as ``media_type``."""

    job_id: str
    version: int
    node_id: str
    media_type: str
    picture: bytes


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker process; ``state`` is ``starting``, ``ready`` or ``draining``."""

    id: str
    host: str
    pid: int
    state: str
    started_at: float
    heartbeat_at: float
    info: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key may use: the highest priority, how many jobs waiting and running; ``None``: as the service has it."""

    max_priority: int | None = None
    max_queued: int | None = None
    max_running: int | None = None


UNLIMITED = KeyLimits()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Who may do what. ``scopes`` are of ``submit``, ``read`` and ``admin``; ``rate_limit`` as in ``60/minute``."""

    id: str
    name: str
    scopes: tuple[str, ...]
    rate_limit: str | None
    created_at: float
    revoked_at: float | None = None
    limits: KeyLimits = UNLIMITED
