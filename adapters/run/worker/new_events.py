"""What a run tells, as entries of the job's event log."""

from __future__ import annotations

from adapters.run.worker.large_values import shown_in_event
from adapters.service.sent_pictures import SENDING_CLASSES
from adapters.service.store.records import NewEvent
from engine.errors import shortened
from engine.events import Event, NodeBlocked, NodeFinished, NodeNote, NodeProgress, NodeStarted, RunStarted
from engine.types import SavedFile

_MOST_MESSAGE = 4000  # characters


def new_event_of(event: Event) -> NewEvent | None:
    """The entry; ``None`` for what the store says itself (how the run ended) and for pictures."""
    data: dict[str, object]
    match event:
        case RunStarted():
            kind, data = "run_started", {"steps": list(event.steps), "cached": list(event.cached)}
        case NodeStarted():
            kind, data = "node_started", _node(event)
        case NodeProgress():
            kind, data = "node_progress", {"node_id": event.node_id, "value": event.value, "total": event.total}
        case NodeFinished():
            more = {"shown": shown_in_event(event.shown), "cached": event.cached, "seconds": round(event.seconds, 6)}
            kind, data = "node_finished", _node(event) | more | _sent(event)
        case NodeBlocked():
            kind, data = "node_blocked", _node(event) | {"message": shortened(event.message, _MOST_MESSAGE)}
        case NodeNote():
            message = shortened(event.message, _MOST_MESSAGE)
            kind, data = "node_note", {"node_id": event.node_id, "class_type": event.class_type, "message": message}
        case _:
            return None
    return NewEvent(kind, data)


def _sent(event: NodeFinished) -> dict[str, object]:
    """Where clients are sent the pictures whole: ``sent``, their blobs, which machines elsewhere can read."""
    if event.cached or event.class_type not in SENDING_CLASSES:
        return {}
    return {"sent": [item.digest for item in event.shown.get("images", ()) if isinstance(item, SavedFile)]}


def _node(event: NodeStarted | NodeFinished | NodeBlocked) -> dict[str, object]:
    return {"node_id": event.node_id, "class_type": event.class_type, "display_id": event.display_id}
