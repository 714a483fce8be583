"""Keeps what attention reads of a prompt's references from the first step of a sampling call for all others."""

from __future__ import annotations

from torch import Tensor

from nodes.hooks import Hooks, NetworkPatches


class Kept:
    """A :class:`nodes.hooks.KeptAttention` for one sampling call."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}

    def recall(self, block: tuple[str, int]) -> tuple[Tensor, Tensor] | None:
        """Keys and values of a block, or None before they were kept."""
        return self._blocks.get(block)

    def keep(self, block: tuple[str, int], keys: Tensor, values: Tensor) -> None:
        """Keep keys and values, [rows, tokens, heads, width]."""
        self._blocks[block] = (keys, values)


def kept_attention() -> Hooks:
    """Hooks of one sampling call."""
    return Hooks(network=NetworkPatches(kept_attention=(Kept(),)))
