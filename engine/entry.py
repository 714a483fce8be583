"""What the caches keep of a step: one node's outputs, and what it showed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.types import SavedFile


@dataclass(frozen=True, slots=True)
class Entry:
    """What one node made. Never changed, since runs share it.

    ``values``: for each output slot its values (one, unless the slot is a list or the node was mapped over one).
    ``shown``: what an output node showed, by kind, files as ``EncodedFile``. ``blocked``: why such a node did not run.
    """

    values: tuple[tuple[Any, ...], ...] = ()
    shown: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    blocked: str | None = None

    @property
    def nameless(self) -> bool:
        """Whether it names no saved file. Only then may other runs have it: names say nothing of contents."""
        return not any(isinstance(item, SavedFile) for items in self.shown.values() for item in items)
