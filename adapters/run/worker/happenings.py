"""What a run tells, as entries of the job's event log."""

from __future__ import annotations

from adapters.host.plain import plain
from adapters.service.store.records import Happening
from engine.events import Event, NodeBlocked, NodeFinished, NodeProgress, NodeStarted, RunStarted


def happening(event: Event) -> Happening | None:
    """The entry; ``None`` for what the store says itself (how the run ended) and for pictures."""
    match event:
        case RunStarted():
            return Happening("run_started", {"steps": list(event.steps), "cached": list(event.cached)})
        case NodeStarted():
            return Happening("node_started", _node(event))
        case NodeProgress():
            data = {"node_id": event.node_id, "value": event.value, "total": event.total}
            return Happening("node_progress", data)
        case NodeFinished():
            more = {"shown": plain(event.shown), "cached": event.cached, "seconds": round(event.seconds, 6)}
            return Happening("node_finished", _node(event) | more)
        case NodeBlocked():
            return Happening("node_blocked", _node(event) | {"message": event.message})
    return None


def _node(event: NodeStarted | NodeFinished | NodeBlocked) -> dict[str, object]:
    return {"node_id": event.node_id, "class_type": event.class_type, "display_id": event.display_id}
