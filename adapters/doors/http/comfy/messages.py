"""Turns a job's events into the messages that ComfyUI's clients get, in ComfyUI's order. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from adapters.doors.http.comfy.nodes_state import NodeStates
from adapters.service.sent_pictures import is_sending
from adapters.service.store.records import Job, StoredEvent

BLOCKED = "ExecutionBlocked"


@dataclass(frozen=True, slots=True)
class Message:
    """A JSON message. ``recorded``: it is also one of the messages that ``/history`` keeps."""

    type: str
    data: dict[str, Any]
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class FinalPicture:
    """A finished picture that goes out as a binary message: the saved file as ComfyUI's wire names it, and its blob."""

    node_id: str
    file: Mapping[str, Any]
    digest: str | None


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """At this point every client is told how many jobs remain."""


@dataclass(frozen=True, slots=True)
class StatesChanged:
    """At this point the client is told how far the nodes are. An older state that it has not read yet is dropped."""


Sent = Message | FinalPicture | QueueChanged | StatesChanged
QUEUE_KINDS = frozenset({"queued", "started", "completed", "failed", "cancelled"})


@dataclass
class Conversation:
    """What one job's client has been told. Feed it the job's events in order.

    ``outputs`` and ``meta`` by node id are those of ``/history``. With ``live``, ``progress_state`` is sent as well.
    """

    job: Job
    live: bool = True
    running: str | None = None
    started: bool = False
    executed: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    nodes: NodeStates = field(default_factory=NodeStates)

    def take(self, event: StoredEvent) -> list[Sent]:
        """What is sent because of ``event``."""
        handle = getattr(self, f"_on_{event.kind}", None)
        return [] if handle is None else handle(event)

    def executing(self) -> Message | None:
        """The state of a running job, for a client that comes back; ``None`` where no node runs."""
        if self.running is None:
            return None
        return self._message("executing", node=self.running, display_node=self.nodes.display_id(self.running))

    def progress_state(self) -> Message:
        """How far the nodes are now."""
        return self._message("progress_state", nodes=self.nodes.states(self.job.id))

    def class_of(self, node_id: str) -> str:
        """The node's class; empty where it is not known."""
        told = self.nodes.class_of(node_id)
        return told or str(self.job.prompt.get(node_id, {}).get("class_type", ""))

    def _on_queued(self, _: StoredEvent) -> list[Sent]:
        return [QueueChanged()]

    def _on_started(self, event: StoredEvent) -> list[Sent]:
        # Also a second time, after the first worker was lost: everything starts anew.
        self.started, self.running, self.nodes = True, None, NodeStates()
        for told in (self.executed, self.cached, self.outputs, self.meta):
            told.clear()
        return [QueueChanged(), self._recorded("execution_start", event)]

    def _on_run_started(self, event: StoredEvent) -> list[Sent]:
        self.cached = [str(node_id) for node_id in event.data["cached"]]
        return [self._recorded("execution_cached", event, nodes=list(self.cached))]

    def _on_node_started(self, event: StoredEvent) -> list[Sent]:
        node_id = self.nodes.start(event.data)
        self.running = node_id
        display_id = self.nodes.display_id(node_id)
        return [*self._states_changed(), self._message("executing", node=node_id, display_node=display_id)]

    def _on_node_progress(self, event: StoredEvent) -> list[Sent]:
        node_id, value, total = event.data["node_id"], event.data["value"], event.data["total"]
        self.nodes.advance(node_id, value, total)
        return [*self._states_changed(), self._message("progress", value=value, max=total, node=node_id)]

    def _on_node_finished(self, event: StoredEvent) -> list[Sent]:
        data = event.data
        node_id, shown = self.nodes.finish(data), data["shown"]
        pictures: list[Sent] = []
        if is_sending(event.kind, data):
            files, digests = shown.get("images", ()), data.get("sent", ())
            pictures = [FinalPicture(node_id, *one) for one in zip_longest(files, digests)]
        if not data["cached"]:
            self.executed.append(node_id)
        if shown:
            self.outputs[node_id] = shown
            self.meta[node_id] = self.nodes.meta(node_id)
        told: list[Sent] = []
        if shown or data["cached"]:
            display_id = self.nodes.display_id(node_id)
            told = [self._message("executed", node=node_id, display_node=display_id, output=shown or None)]
        return [*pictures, *told, *self._states_changed()]

    def _on_node_blocked(self, event: StoredEvent) -> list[Sent]:
        node_id = str(event.data["node_id"])
        return [
            self._message(
                "execution_error",
                node_id=node_id,
                node_type=event.data["class_type"],
                executed=list(self.executed),
                exception_message=f"{BLOCKED}: {event.data['message']}",
                exception_type=BLOCKED,
                traceback=[],
                current_inputs=[],
                current_outputs=[],
            )
        ]

    def _on_completed(self, event: StoredEvent) -> list[Sent]:
        return self._end(self._recorded("execution_success", event))

    def _on_failed(self, event: StoredEvent) -> list[Sent]:
        error: Mapping[str, Any] = event.data["error"]
        where = self._where(error.get("node_id"))
        remedy = error.get("remedy") or ""
        return self._end(
            self._recorded(
                "execution_error",
                event,
                **where,
                executed=list(self.executed),
                exception_message=f"{error['message']}\n{remedy}",
                exception_type=error.get("cause_type") or error["type"],
                traceback=[],
                current_inputs={name: [value] for name, value in (error.get("inputs") or {}).items()},
                current_outputs=[*self.cached, *self.executed],
            )
        )

    def _on_cancelled(self, event: StoredEvent) -> list[Sent]:
        if not self.started:
            return [QueueChanged()]  # Taken out of the queue, of which ComfyUI tells nobody more.
        where = self._where(None)
        return self._end(self._recorded("execution_interrupted", event, **where, executed=list(self.executed)))

    def _end(self, last: Message) -> list[Sent]:
        self.running = None
        return [last, QueueChanged(), self._message("executing", node=None)]

    def _where(self, node_id: str | None) -> dict[str, Any]:
        node_id = node_id or self.running
        if node_id is None:
            return {"node_id": None, "node_type": None}
        real = node_id if node_id in self.job.prompt else self.nodes.display_id(node_id)
        return {"node_id": real, "node_type": self.class_of(real)}

    def _states_changed(self) -> list[Sent]:
        return [StatesChanged()] if self.live else []

    def _message(self, kind: str, **data: Any) -> Message:
        return Message(kind, data | {"prompt_id": self.job.id})

    def _recorded(self, kind: str, event: StoredEvent, **data: Any) -> Message:
        told = {"prompt_id": self.job.id, **data, "timestamp": int(event.time * 1000)}
        return Message(kind, told, recorded=True)
