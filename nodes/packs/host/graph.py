"""``comfy_execution.graph``: the request's graph, as nodes with a DYNPROMPT input read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodes.packs.host.graph_utils import ExecutionBlocker

__all__ = ["DynamicPrompt", "ExecutionBlocker"]


class DynamicPrompt:
    """The nodes of the request, by id."""

    def __init__(self, original_prompt: Mapping[str, Any]) -> None:
        self.original_prompt = original_prompt or {}

    def get_node(self, node_id: str) -> Any:
        """The node in API form. Raises ``KeyError``."""
        return self.original_prompt[node_id]

    def has_node(self, node_id: str) -> bool:
        """Whether there is one."""
        return node_id in self.original_prompt

    def get_original_prompt(self) -> Mapping[str, Any]:
        """All of them."""
        return self.original_prompt

    def all_node_ids(self) -> set[str]:
        """Their ids."""
        return set(self.original_prompt)

    def get_real_node_id(self, node_id: str) -> str:
        """The request's node that it stands in."""
        return node_id

    get_parent_node_id = get_display_node_id = get_real_node_id
