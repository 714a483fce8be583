"""What a run tells, as entries of the job's event log."""

from __future__ import annotations

from adapters.host.plain import plain
from adapters.service.store.records import Happening
from engine.events import Event, NodeBlocked, NodeFinished, NodeNote, NodeProgress, NodeStarted, RunStarted


def happening(event: Event) -> Happening | None:
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
            more = {"shown": plain(event.shown), "cached": event.cached, "seconds": round(event.seconds, 6)}
            kind, data = "node_finished", _node(event) | more
        case NodeBlocked():
            kind, data = "node_blocked", _node(event) | {"message": event.message}
        case NodeNote():
            kind = "node_note"
            data = {"node_id": event.node_id, "class_type": event.class_type, "message": event.message}
        case _:
            return None
    return Happening(kind, data)


def _node(event: NodeStarted | NodeFinished | NodeBlocked) -> dict[str, object]:
    return {"node_id": event.node_id, "class_type": event.class_type, "display_id": event.display_id}
