"""Every error of the tree and what each door answers: one row a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.doors.modal import errors as modal
from adapters.host.models import errors as manifest
from adapters.run.direct.gpu import GpuMissing
from adapters.service import errors as request
from adapters.service.blobs.errors import BlobMissing, BlobStoreUnavailable, LinkExpired, LinkInvalid
from adapters.service.error_documents import error_document
from adapters.service.intake import errors as intake
from adapters.service.outbound.errors import AddressRefused, FetchFailed, FetchTooLarge
from adapters.service.store import errors as store
from adapters.service.webhooks.signing import SignatureInvalid
from engine import errors as engine

_UNKNOWN = "InternalError"


@dataclass(frozen=True, slots=True)
class Row:
    """``status`` and ``code``: HTTP's, and the last part of the problem type. ``comfy``: ComfyUI's error type.

    ``retry``: the same request may work later. ``restart``: the worker should be replaced (RunPod's
    ``refresh_worker``).
    """

    status: int
    code: str
    title: str
    comfy: str
    retry: bool = False
    restart: bool = False


_INTERNAL = Row(500, "internal-error", "Something went wrong inside the service", "server_error", retry=True)
_ROWS: Mapping[type[BaseException], Row] = {
    engine.DagfusionError: _INTERNAL,
    # The workflow
    engine.WorkflowUnreadable: Row(422, "workflow-unreadable", "The document is no workflow", "invalid_prompt"),
    engine.GraphInvalid: Row(422, "graph-invalid", "The workflow cannot run", "prompt_outputs_failed_validation"),
    engine.InputInvalid: Row(422, "input-invalid", "An input cannot work", "custom_validation_failed"),
    engine.ModelMissing: Row(422, "model-missing", "A model file is missing", "value_not_in_list"),
    engine.ModelUnreadable: Row(422, "model-unreadable", "A model file cannot be used", "custom_validation_failed"),
    # The run
    engine.NodeFailed: Row(500, "node-failed", "A node failed", "execution_error"),
    engine.OutOfMemory: Row(507, "out-of-memory", "A node ran out of memory", "execution_error", restart=True),
    engine.DeviceMemoryExhausted: Row(507, "out-of-memory", "The device is out of memory", "execution_error"),
    engine.Cancelled: Row(409, "cancelled", "The job was cancelled", "execution_interrupted"),
    # The store
    store.StoreUnavailable: Row(503, "store-unavailable", "The database is not there", "server_error", retry=True),
    store.QueueFull: Row(503, "queue-full", "The queue is full", "queue_full", retry=True),
    store.IdempotencyConflict: Row(409, "idempotency-conflict", "The key was used for another job", "invalid_request"),
    store.JobIdTaken: Row(409, "job-id-taken", "A job of this id exists", "invalid_request"),
    store.LeaseLost: Row(409, "lease-lost", "The job is another worker's", "server_error", retry=True),
    # Files
    BlobMissing: Row(404, "blob-missing", "The file is gone", "not_found"),
    BlobStoreUnavailable: Row(503, "blobs-unavailable", "The file store does not work", "server_error", retry=True),
    LinkInvalid: Row(403, "link-invalid", "The download link is not valid", "forbidden"),
    LinkExpired: Row(410, "link-expired", "The download link has expired", "forbidden"),
    AddressRefused: Row(422, "address-refused", "The address may not be contacted", "invalid_request"),
    FetchFailed: Row(422, "fetch-failed", "The address does not answer as it should", "invalid_request", retry=True),
    FetchTooLarge: Row(413, "fetch-too-large", "The file is too large", "invalid_request"),
    intake.InputRefused: Row(422, "input-refused", "An input file cannot be taken", "invalid_request"),
    intake.InputTooLarge: Row(413, "input-too-large", "The input files are too large", "invalid_request"),
    intake.InputUnreachable: Row(
        422, "input-unreachable", "An input file's address does not answer as it should", "invalid_request", retry=True
    ),
    SignatureInvalid: Row(401, "signature-invalid", "The webhook message is not signed as it should", "unauthorized"),
    manifest.ManifestInvalid: Row(422, "manifest-invalid", "The list of models is wrong", "invalid_request"),
    manifest.FetchFailed: Row(502, "model-fetch-failed", "A model could not be fetched", "server_error", retry=True),
    # The cloud
    GpuMissing: Row(503, "gpu-missing", "There is no GPU where one was asked for", "server_error", retry=True),
    modal.VolumeUnavailable: Row(503, "volume-unavailable", "A volume does not work", "server_error", retry=True),
    modal.ManifestUnmet: Row(503, "manifest-unmet", "Models of the manifest are missing", "server_error"),
    # The request
    request.RequestRefused: Row(400, "request-refused", "The request is not taken", "invalid_request"),
    request.RequestInvalid: Row(422, "request-invalid", "The request's form is wrong", "invalid_request"),
    request.KeyMissing: Row(401, "key-missing", "An API key is needed", "unauthorized"),
    request.ScopeMissing: Row(403, "scope-missing", "The API key is not good for this", "forbidden"),
    request.HostRefused: Row(403, "host-refused", "The request came under a foreign name", "forbidden"),
    request.NotFound: Row(404, "not-found", "There is no such thing", "not_found"),
    request.FileExists: Row(409, "file-exists", "A file of that name exists", "invalid_request"),
    request.PromptRefused: Row(400, "prompt-refused", "The workflow cannot run", "invalid_prompt"),
    request.NotEnded: Row(409, "not-ended", "The job has not ended yet", "invalid_request", retry=True),
    request.BodyTooLarge: Row(413, "body-too-large", "The request is too large", "invalid_request"),
    request.BodyTooSlow: Row(408, "body-too-slow", "The request came too slowly", "invalid_request", retry=True),
    request.MediaTypeRefused: Row(415, "media-type-refused", "This kind of content is not taken", "invalid_request"),
    request.RateLimited: Row(429, "rate-limited", "Too many requests", "rate_limited", retry=True),
    request.ServiceBusy: Row(503, "busy", "The service is busy", "server_error", retry=True),
    request.TooManySockets: Row(503, "too-many-sockets", "Too many connections", "server_error", retry=True),
}
# Ends of jobs that are no exceptions of this process: they are named in a job's error document only.
_NAMED: Mapping[str, Row] = {
    "WorkerLost": Row(502, "worker-lost", "The worker died", "execution_error", retry=True),
    "WorkerStopped": Row(502, "worker-stopped", "The worker was shut down", "execution_error", retry=True),
    "TimeLimit": Row(504, "time-limit", "The job ran longer than it may", "execution_error"),
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


def comfy_refusal(error: BaseException) -> dict[str, Any]:
    """ComfyUI's ``error`` object for what ``POST /prompt`` refuses."""
    document = public_document(error)
    details = document["remedy"]
    return {"type": row_of(error).comfy, "message": document["message"], "details": details, "extra_info": {}}


def runpod_reply(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a RunPod handler returns for a failed job, by its error document; RunPod marks the job FAILED by it."""
    row = row_named(str(document.get("type", "")))
    reply: dict[str, Any] = {"error": dict(document) | {"code": row.code, "retry": row.retry}}
    return reply | {"refresh_worker": True} if row.restart else reply
