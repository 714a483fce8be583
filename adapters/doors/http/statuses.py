"""HTTP's column of the error table: the status of each error code."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.service.error_table import row_of

STATUSES: Mapping[str, int] = {
    "internal-error": 500,
    "workflow-unreadable": 422,
    "graph-invalid": 422,
    "input-invalid": 422,
    "model-missing": 422,
    "model-unreadable": 422,
    "node-failed": 500,
    "out-of-memory": 507,
    "cancelled": 409,
    "store-unavailable": 503,
    "queue-full": 503,
    "idempotency-conflict": 409,
    "job-id-taken": 409,
    "lease-lost": 409,
    "blob-missing": 404,
    "blobs-unavailable": 503,
    "link-invalid": 403,
    "link-expired": 410,
    "address-refused": 422,
    "fetch-failed": 422,
    "fetch-too-large": 413,
    "input-refused": 422,
    "input-too-large": 413,
    "input-unreachable": 422,
    "signature-invalid": 401,
    "manifest-invalid": 422,
    "model-fetch-failed": 502,
    "gpu-missing": 503,
    "volume-unavailable": 503,
    "manifest-unmet": 503,
    "request-refused": 400,
    "request-invalid": 422,
    "key-missing": 401,
    "scope-missing": 403,
    "host-refused": 403,
    "not-found": 404,
    "file-exists": 409,
    "prompt-refused": 400,
    "not-ended": 409,
    "body-too-large": 413,
    "body-too-slow": 408,
    "media-type-refused": 415,
    "rate-limited": 429,
    "own-queue-full": 429,
    "busy": 503,
    "folder-unavailable": 503,
    "too-many-sockets": 503,
    "worker-lost": 502,
    "worker-stopped": 502,
    "time-limit": 504,
}


def status_of(error: BaseException) -> int:
    """The status of the reply to a request that ended with ``error``."""
    return STATUSES[row_of(error).code]
