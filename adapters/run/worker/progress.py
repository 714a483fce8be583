"""How far a run is, overall, and how long it will still take, by what its nodes took before."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from engine.events import Event, NodeFinished, NodeProgress, NodeStarted, RunStarted

_NEW_SHARE = 0.3  # of a new measurement in the running mean


class ClassSeconds:
    """A running mean of the seconds that nodes of each class take on this worker."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}

    def add(self, class_type: str, seconds: float) -> None:
        """One more measurement."""
        mean = self._means.get(class_type, seconds)
        self._means[class_type] = mean + _NEW_SHARE * (seconds - mean)

    def get(self, class_type: str) -> float | None:
        """``None`` where no such node ran yet."""
        return self._means.get(class_type)


class JobProgress:
    """Fed with a run's events. Steps weigh what they are known to take, or like the mean of those known."""

    def __init__(self, classes: Mapping[str, str], seconds: ClassSeconds) -> None:
        self._classes = dict(classes)
        self._seconds = seconds
        self._waiting: dict[str, None] = {}
        self._done: dict[str, float] = {}
        self._current: NodeStarted | None = None
        self._started_at = 0.0
        self._value = self._max = 0
        self._fraction = 0.0

    def __call__(self, event: Event) -> None:
        """Take note of ``event``."""
        match event:
            case RunStarted(steps=steps):
                self._waiting = dict.fromkeys(steps)
            case NodeStarted(node_id=node_id, class_type=class_type):
                self._classes[node_id] = class_type
                self._waiting.setdefault(node_id)  # nodes of an expansion were not planned
                self._current, self._started_at = event, time.monotonic()
                self._value = self._max = 0
            case NodeProgress(value=value, total=total):
                self._value, self._max = value, total
            case NodeFinished(cached=False, node_id=node_id, class_type=class_type, seconds=seconds):
                self._seconds.add(class_type, seconds)
                self._waiting.pop(node_id, None)
                self._done[node_id] = seconds
                if self._current is not None and self._current.node_id == node_id:
                    self._current = None

    def snapshot(self) -> dict[str, Any]:
        """``done`` and ``total`` steps, the node that runs with its ``value`` of ``max``, ``fraction``, ``eta_s``."""
        current = self._current
        self._fraction = max(self._fraction, self._estimate())
        return {
            "done": len(self._done),
            "total": len(self._done) + len(self._waiting),
            "node_id": current and current.node_id,
            "class_type": current and current.class_type,
            "value": self._value if current else 0,
            "max": self._max if current else 0,
            "fraction": round(self._fraction, 4),
            "eta_s": self._eta_s(),
        }

    def _estimate(self) -> float:
        weights = {node_id: self._known(node_id) for node_id in self._waiting}
        known = [weight for weight in weights.values() if weight is not None]
        usual = sum(known) / len(known) if known else 1.0
        done = sum(self._done.values()) if known else float(len(self._done))
        left = sum(usual if weight is None else weight for weight in weights.values())
        if self._current is not None and self._max:
            weight = weights.get(self._current.node_id)
            inside = (usual if weight is None else weight) * min(self._value / self._max, 1.0)
            done, left = done + inside, left - inside
        return done / (done + left) if done + left > 0 else 0.0

    def _eta_s(self) -> float | None:
        left = [seconds for node_id in self._waiting if (seconds := self._left_s(node_id)) is not None]
        return round(sum(left), 2) if left or not self._waiting else None

    def _left_s(self, node_id: str) -> float | None:
        known = self._known(node_id)
        if known is None or self._current is None or self._current.node_id != node_id:
            return known
        return max(0.0, known - (time.monotonic() - self._started_at))

    def _known(self, node_id: str) -> float | None:
        """Seconds that the node takes in all: at the rate it goes, else as its class did before."""
        if self._current is not None and self._current.node_id == node_id and self._value:
            return (time.monotonic() - self._started_at) / self._value * max(self._max, self._value)
        return self._seconds.get(self._classes.get(node_id, ""))
