"""ComfyUI's column of the error table: the error type on its wire for each error code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.service.error_table import public_document, row_of

ERROR_TYPES: Mapping[str, str] = {
    "internal-error": "server_error",
    "workflow-unreadable": "invalid_prompt",
    "graph-invalid": "prompt_outputs_failed_validation",
    "input-invalid": "custom_validation_failed",
    "model-missing": "value_not_in_list",
    "model-unreadable": "custom_validation_failed",
    "node-failed": "execution_error",
    "out-of-memory": "execution_error",
    "cancelled": "execution_interrupted",
    "store-unavailable": "server_error",
    "queue-full": "queue_full",
    "own-queue-full": "own_queue_full",
    "idempotency-conflict": "invalid_request",
    "job-id-taken": "invalid_request",
    "lease-lost": "server_error",
    "blob-missing": "not_found",
    "blobs-unavailable": "server_error",
    "link-invalid": "forbidden",
    "link-expired": "forbidden",
    "address-refused": "invalid_request",
    "fetch-failed": "invalid_request",
    "fetch-too-large": "invalid_request",
    "input-refused": "invalid_request",
    "input-too-large": "invalid_request",
    "input-unreachable": "invalid_request",
    "signature-invalid": "unauthorized",
    "manifest-invalid": "invalid_request",
    "model-fetch-failed": "server_error",
    "gpu-missing": "server_error",
    "volume-unavailable": "server_error",
    "manifest-unmet": "server_error",
    "request-refused": "invalid_request",
    "request-invalid": "invalid_request",
    "key-missing": "unauthorized",
    "scope-missing": "forbidden",
    "host-refused": "forbidden",
    "not-found": "not_found",
    "file-exists": "invalid_request",
    "prompt-refused": "invalid_prompt",
    "not-ended": "invalid_request",
    "body-too-large": "invalid_request",
    "body-too-slow": "invalid_request",
    "media-type-refused": "invalid_request",
    "rate-limited": "rate_limited",
    "busy": "server_error",
    "folder-unavailable": "server_error",
    "too-many-sockets": "server_error",
    "worker-lost": "execution_error",
    "worker-stopped": "execution_error",
    "time-limit": "execution_error",
}


def error_object(error: BaseException) -> dict[str, Any]:
    """ComfyUI's ``error`` object for what ``POST /prompt`` refuses."""
    document = public_document(error)
    kind = ERROR_TYPES[row_of(error).code]
    return {"type": kind, "message": document["message"], "details": document["remedy"], "extra_info": {}}
