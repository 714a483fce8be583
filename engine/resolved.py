"""A node of a workflow that passed validation: its class found, links read, typed-in values turned into their types."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.schema import NodeSpec
from engine.types import Link


@dataclass(slots=True)
class ResolvedNode:
    """``files`` are the files that FileChoice inputs name; ``lazy`` the linked inputs computed only when asked for.

    ``filled``: the inputs that the workflow leaves out and that were given their defaults.

    ``literals`` are in the order of the class's inputs, so that equal nodes have equal keys.
    """

    id: str
    class_type: str
    spec: NodeSpec
    literals: dict[str, Any]
    links: dict[str, Link]
    files: dict[str, Path] = field(default_factory=dict)
    lazy: frozenset[str] = frozenset()
    filled: tuple[str, ...] = ()
