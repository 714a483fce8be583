"""Events and previews as the native API's streams show them."""

from __future__ import annotations

import json
import struct
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from adapters.doors.http.native.moments import moment
from adapters.service.store.records import Preview, StoredEvent

Kind = Literal[
    "queued",
    "started",
    "run_started",
    "node_started",
    "node_progress",
    "node_finished",
    "node_blocked",
    "node_note",
    "requeued",
    "cancel_requested",
    "completed",
    "failed",
    "cancelled",
]


class EventDocument(BaseModel):
    """Something that happened to a job. `number` counts within the job, `position` over all jobs, both without gaps."""

    number: int
    position: int
    job_id: str
    time: datetime
    kind: Kind
    data: dict[str, Any] = Field(
        description=(
            "queued {priority}; started {attempt, worker}; run_started {steps, cached}; node_started {node_id, "
            "class_type, display_id}; node_progress {node_id, value, total}; node_finished {node_id, class_type, "
            "display_id, shown, cached, seconds}; node_blocked {node_id, class_type, display_id, message}; node_note "
            "{node_id, class_type, message}; requeued {attempt, reason}; cancel_requested {}; completed {seconds}; "
            "failed {error}; cancelled {}"
        )
    )


def event_document(event: StoredEvent) -> dict[str, Any]:
    """An :class:`EventDocument` as JSON-ready values."""
    return {
        "number": event.number,
        "position": event.position,
        "job_id": event.job_id,
        "time": moment(event.time).isoformat(),
        "kind": event.kind,
        "data": dict(event.data),
    }


def event_text(event: StoredEvent) -> str:
    """An :class:`EventDocument` as JSON on one line."""
    return json.dumps(event_document(event), ensure_ascii=False, separators=(",", ":"))


def preview_frame(preview: Preview) -> bytes:
    """A binary WebSocket message: the header's length as 4 bytes, big-endian; the header, JSON; the picture's file.

    The header has ``job_id``, ``node_id``, ``media_type`` and ``version``, which grows with each picture of a job.
    """
    about = {
        "job_id": preview.job_id,
        "node_id": preview.node_id,
        "media_type": preview.media_type,
        "version": preview.version,
    }
    header = json.dumps(about).encode()
    return struct.pack(">I", len(header)) + header + preview.picture
