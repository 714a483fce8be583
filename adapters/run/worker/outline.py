"""What jobs must have in common for their denoising steps to be computed together: the graph without its texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from engine.inputs import Float, Int, Text
from engine.schema import InputSpec, NodeSpec


def outline(prompt: Mapping[str, Any], registry: Mapping[str, NodeSpec]) -> str:
    """Equal for prompts in API form that differ in texts, seeds, fractions (cfg, strengths) and sent files only.

    It is a guess at what fits: two jobs with the same outline may yet have nothing to compute at once.
    """
    nodes = {node_id: _node(node, registry) for node_id, node in prompt.items()}
    return hashlib.sha256(json.dumps(nodes, sort_keys=True, default=str).encode()).hexdigest()


def _node(node: Mapping[str, Any], registry: Mapping[str, NodeSpec]) -> list[Any]:
    name = node.get("class_type", "")
    spec = registry.get(name)
    inputs = spec.inputs if spec is not None else {}
    counting = {
        key: value
        for key, value in node.get("inputs", {}).items()
        if isinstance(value, list) or not _is_free(inputs.get(key))
    }
    return [name, counting]


def _is_free(spec: InputSpec | None) -> bool:
    """Whether jobs may differ in this input and still fit."""
    marker = None if spec is None else spec.marker
    if isinstance(marker, Int):
        return bool(marker.control_after_generate)
    return isinstance(marker, Text | Float) or getattr(marker, "upload", None) is not None
