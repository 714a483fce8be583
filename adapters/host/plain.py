"""Values that nodes show or fail with, as JSON and databases can hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.types import SavedFile

_MAX_DEPTH = 32
_MAX_INT_BITS = 8192


def plain(value: Any, depth: int = 0) -> Any:
    """Files as ComfyUI's wire has them, NaN as null, and the text of whatever JSON does not know."""
    if value is None or isinstance(value, int | float):
        return _number(value)
    if isinstance(value, SavedFile):
        return value.as_wire()
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return {_text(key): plain(item, depth + 1) for key, item in value.items()}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    return _text(value)


def _number(value: int | float | None) -> int | float | str | None:
    if isinstance(value, int):
        return value if value.bit_length() <= _MAX_INT_BITS else hex(value)  # Python writes no more digits than that.
    return value if value is not None and math.isfinite(value) else None


def _text(value: object) -> str:
    text = str(value)
    # Half a surrogate pair is no text that databases take.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
