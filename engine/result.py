"""What a run gives back: what each output node showed, whether it ran, and how long everything took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NodeResult:
    """One wanted node's outcome.

    ``shown``: by kind (``images``, ``text``, ...), what it showed or saved, also where it did not run this time
    (``cached``). ``values``: for each output slot its values. ``blocked``: why it did not run, where it was blocked.
    """

    node_id: str
    class_type: str
    shown: Mapping[str, tuple[Any, ...]]
    cached: bool
    values: tuple[tuple[Any, ...], ...] = ()
    blocked: str | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """``outputs`` by node id, in the workflow's order; ``node_seconds`` of the nodes that ran, in their order."""

    outputs: Mapping[str, NodeResult]
    node_seconds: Mapping[str, float]
    seconds: float

    @property
    def executed(self) -> tuple[str, ...]:
        """Ids of the nodes that ran."""
        return tuple(self.node_seconds)
