"""How much one node may make, and how that is counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import InputInvalid

MIB = 2**20
_ITEM_BYTES = 16  # what an item of a list or mapping takes at least


@dataclass(frozen=True, slots=True)
class Limits:
    """``text_bytes``: of the texts that one node makes and shows (in UTF-8), with what their lists take."""

    text_bytes: int = 16 * MIB

    def check_text(self, made_bytes: int) -> None:
        """Raises ``InputInvalid`` where that is too much text."""
        if made_bytes > self.text_bytes:
            raise InputInvalid(
                f"it makes more than {self.text_bytes / MIB:g} MiB of text, which is as much as one node may",
                remedy="make shorter texts or lists, or raise DAGFUSION_MAX_TEXT_MIB",
            )


def text_bytes(values: Iterable[Any], most: int) -> int:
    """Bytes of all texts in ``values`` and in the lists and mappings there; more than ``most`` is not counted out.

    A text that is there several times counts each time: so it would be written.
    """
    total = 0
    stack: list[Any] = list(values)
    while stack and total <= most:
        value = stack.pop()
        if isinstance(value, str):
            # Half a surrogate pair has no UTF-8; it is written as a question mark.
            total += len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
        elif isinstance(value, list | tuple | set | frozenset):
            total += _ITEM_BYTES * len(value)
            stack += value if total <= most else ()
        elif isinstance(value, Mapping):
            total += 2 * _ITEM_BYTES * len(value)
            stack += [*value.keys(), *value.values()] if total <= most else ()
    return total
