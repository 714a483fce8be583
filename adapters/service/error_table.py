"""Every error of the tree and what it is called outside: one row a class. Each door adds a column, by the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.host.gpu import GpuMissing
from adapters.host.models import errors as manifest
from adapters.service import errors as request
from adapters.service.blobs.errors import BlobMissing, BlobStoreUnavailable, LinkExpired, LinkInvalid, VolumeUnavailable
from adapters.service.error_documents import error_document
from adapters.service.intake import errors as intake
from adapters.service.outbound.errors import AddressRefused, FetchFailed, FetchTooLarge
from adapters.service.store import errors as store
from adapters.service.webhooks.signing import SignatureInvalid
from engine import errors as engine
from nodes.packs.missing import HostLacks

_UNKNOWN = "InternalError"


@dataclass(frozen=True, slots=True)
class Row:
    """``code``: what machines know the error by. ``retry``: the same request may work later."""

    code: str
    title: str
    retry: bool = False


_INTERNAL = Row("internal-error", "Something went wrong inside the service", retry=True)
_ROWS: Mapping[type[BaseException], Row] = {
    engine.DagfusionError: _INTERNAL,
    # The workflow
    engine.WorkflowUnreadable: Row("workflow-unreadable", "The document is no workflow"),
    engine.GraphInvalid: Row("graph-invalid", "The workflow cannot run"),
    engine.InputInvalid: Row("input-invalid", "An input cannot work"),
    engine.ModelMissing: Row("model-missing", "A model file is missing"),
    engine.ModelUnreadable: Row("model-unreadable", "A model file cannot be used"),
    # The run
    engine.NodeFailed: Row("node-failed", "A node failed"),
    HostLacks: Row("node-failed", "A node of a pack asks for what is not here"),
    engine.OutOfMemory: Row("out-of-memory", "A node ran out of memory"),
    engine.DeviceMemoryExhausted: Row("out-of-memory", "The device is out of memory"),
    engine.Cancelled: Row("cancelled", "The job was cancelled"),
    # The store
    store.StoreUnavailable: Row("store-unavailable", "The database is not there", retry=True),
    store.QueueFull: Row("queue-full", "The queue is full", retry=True),
    store.OwnQueueFull: Row("own-queue-full", "This key has enough jobs waiting", retry=True),
    store.IdempotencyConflict: Row("idempotency-conflict", "The key was used for another job"),
    store.JobIdTaken: Row("job-id-taken", "A job of this id exists"),
    store.LeaseLost: Row("lease-lost", "The job is another worker's", retry=True),
    # Files
    BlobMissing: Row("blob-missing", "The file is gone"),
    BlobStoreUnavailable: Row("blobs-unavailable", "The file store does not work", retry=True),
    LinkInvalid: Row("link-invalid", "The download link is not valid"),
    LinkExpired: Row("link-expired", "The download link has expired"),
    AddressRefused: Row("address-refused", "The address may not be contacted"),
    FetchFailed: Row("fetch-failed", "The address does not answer as it should", retry=True),
    FetchTooLarge: Row("fetch-too-large", "The file is too large"),
    intake.InputRefused: Row("input-refused", "An input file cannot be taken"),
    intake.InputTooLarge: Row("input-too-large", "The input files are too large"),
    intake.InputUnreachable: Row(
        "input-unreachable", "An input file's address does not answer as it should", retry=True
    ),
    SignatureInvalid: Row("signature-invalid", "The webhook message is not signed as it should"),
    manifest.ManifestInvalid: Row("manifest-invalid", "The list of models is wrong"),
    manifest.PullFailed: Row("model-fetch-failed", "A model could not be fetched", retry=True),
    # The cloud
    GpuMissing: Row("gpu-missing", "There is no GPU where one was asked for", retry=True),
    VolumeUnavailable: Row("volume-unavailable", "A volume does not work", retry=True),
    manifest.ManifestUnmet: Row("manifest-unmet", "Models of the manifest are missing"),
    # The request
    request.RequestRefused: Row("request-refused", "The request is not taken"),
    request.RequestInvalid: Row("request-invalid", "The request's form is wrong"),
    request.KeyMissing: Row("key-missing", "An API key is needed"),
    request.ScopeMissing: Row("scope-missing", "The API key is not good for this"),
    request.HostRefused: Row("host-refused", "The request came under a foreign name"),
    request.NotFound: Row("not-found", "There is no such thing"),
    request.FileExists: Row("file-exists", "A file of that name exists"),
    request.PromptRefused: Row("prompt-refused", "The workflow cannot run"),
    request.NotEnded: Row("not-ended", "The job has not ended yet", retry=True),
    request.BodyTooLarge: Row("body-too-large", "The request is too large"),
    request.BodyTooSlow: Row("body-too-slow", "The request came too slowly", retry=True),
    request.MediaTypeRefused: Row("media-type-refused", "This kind of content is not taken"),
    request.RateLimited: Row("rate-limited", "Too many requests", retry=True),
    request.ServiceBusy: Row("busy", "The service is busy", retry=True),
    request.FolderUnavailable: Row("folder-unavailable", "A folder of the service does not work", retry=True),
    request.TooManySockets: Row("too-many-sockets", "Too many connections", retry=True),
}
# Ends of jobs that are no exceptions of this process: they are named in a job's error document only.
_NAMED: Mapping[str, Row] = {
    "WorkerLost": Row("worker-lost", "The worker died", retry=True),
    "WorkerStopped": Row("worker-stopped", "The worker was shut down", retry=True),
    "TimeLimit": Row("time-limit", "The job ran longer than it may"),
    **{kind.__name__: row for kind, row in reversed(tuple(_ROWS.items()))},
}


def row_of(error: BaseException | type[BaseException]) -> Row:
    """The row of the error's class, or of its nearest ancestor."""
    kind = error if isinstance(error, type) else type(error)
    return next((_ROWS[ancestor] for ancestor in kind.__mro__ if ancestor in _ROWS), _INTERNAL)


def row_named(name: str) -> Row:
    """The row for an error document's ``type``; that of an unexpected error where the name is none of ours."""
    return _NAMED.get(name, _INTERNAL)


def has_own_row(kind: type[BaseException]) -> bool:
    """Whether somebody has thought of this very class."""
    return kind in _ROWS


def public_document(error: BaseException) -> dict[str, Any]:
    """The error document for a reply: what an unexpected error says is for logs, not for clients."""
    if isinstance(error, engine.DagfusionError):
        return error_document(error)
    return {"type": _UNKNOWN, "message": "the service failed at this", "remedy": "the operator's log says why"}


def codes() -> frozenset[str]:
    """All codes: a door's column has each of them."""
    return frozenset(row.code for row in (_INTERNAL, *_NAMED.values()))
