"""What reading a workflow could not carry over, or filled in, said for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that was lost, guessed or filled in. ``kind`` groups notes of the same sort for counting."""

    kind: str
    message: str
    node_id: str | None = None
    class_type: str | None = None

    def __str__(self) -> str:
        if self.node_id is None:
            return self.message
        return f"node {self.node_id} ({self.class_type}): {self.message}"
