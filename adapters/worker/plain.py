"""Values that nodes show, as JSON can hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.types import SavedFile

_MAX_DEPTH = 32


def plain(value: Any, depth: int = 0) -> Any:
    """Files as ComfyUI's wire has them, NaN as null, and the text of whatever JSON does not know."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, SavedFile):
        return value.as_wire()
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    text = str(value)
    # Half a surrogate pair is no text that databases take.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
