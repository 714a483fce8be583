"""What RunPod is told of jobs: how large replies may be, and errors as it takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from adapters.service.error_table import row_named

# What its gateway takes of /runsync; larger requests come from nobody but those who try things out.
MAX_INPUT_BYTES = 20_000_000
# What RunPod takes as the result of /run, and of /runsync, less what the SDK and its platform put around it.
RUN_BYTES = 10_000_000 - 100_000
RUNSYNC_BYTES = 20_000_000 - 100_000
_SYNC = "sync-"  # ids of /runsync begin so
_MAX_PROBLEMS = 100
_MAX_MESSAGE_CHARS = 4000
_WORN_OUT = {"OutOfMemory"}  # after these the worker should be replaced


def limit_of(job_id: str) -> int:
    """Bytes that the reply to this job may have."""
    return RUNSYNC_BYTES if job_id.startswith(_SYNC) else RUN_BYTES


def failed(error: Mapping[str, Any]) -> dict[str, Any]:
    """The reply to a job that failed. The document goes as JSON text: for RunPod, an ``error`` is a text."""
    short = dict(error) | {"message": str(error.get("message", ""))[:_MAX_MESSAGE_CHARS]}
    if "problems" in short:
        short["problems"] = list(short["problems"])[:_MAX_PROBLEMS]
    kind = str(error.get("type", ""))
    row = row_named(kind)
    short |= {"code": row.code, "retry": row.retry}
    reply: dict[str, Any] = {"error": json.dumps(short, ensure_ascii=False, default=str)}
    return reply | {"refresh_worker": True} if kind in _WORN_OUT else reply
