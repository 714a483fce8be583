"""JSON read with limits: size, depth, keys that appear twice, text that is no Unicode. One clear error for each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from engine.errors import WorkflowUnreadable

MAX_BYTES = 32 * 2**20
MAX_DEPTH = 100
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def parse_json(data: bytes | str, what: str, *, max_bytes: int = MAX_BYTES, nan_is_null: bool = False) -> Any:
    """Parse a JSON text. ``what`` names it in messages.

    NaN and Infinity are let through as floats, so that whoever knows the place can name it; with ``nan_is_null`` they
    become ``None``. Raises ``WorkflowUnreadable``.
    """
    check_size(len(data), what, max_bytes)
    text = data if isinstance(data, str) else _decoded(data, what)
    if not text.strip():
        raise WorkflowUnreadable(f"{what} is empty", remedy="it should hold a workflow as JSON")
    try:
        tree = json.loads(text, object_pairs_hook=_object_of, parse_constant=(lambda _: None) if nan_is_null else None)
    except json.JSONDecodeError as error:
        raise WorkflowUnreadable(
            f"{what} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}",
            remedy="save the workflow again, or look at that place in an editor",
        ) from error
    except RecursionError as error:
        raise WorkflowUnreadable(f"{what} is nested more than {MAX_DEPTH} deep") from error
    except ValueError as error:  # a number of thousands of digits
        raise WorkflowUnreadable(f"{what} holds a number that is too long") from error
    check_tree(tree, what)
    return tree


def check_size(size_bytes: int, what: str, max_bytes: int = MAX_BYTES) -> None:
    """Raise ``WorkflowUnreadable`` for a text that is too large to be a workflow."""
    if size_bytes > max_bytes:
        raise WorkflowUnreadable(
            f"{what} has {size_bytes / 2**20:.1f} MiB; a workflow may have {max_bytes / 2**20:.0f}",
            remedy="pass pictures as files rather than inside the JSON",
        )


def check_tree(tree: Any, what: str) -> None:
    """Raise ``WorkflowUnreadable`` where values are nested too deeply, or a text is no Unicode (half a pair)."""
    level: list[Any] = [tree]
    seen: set[int] = set()
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                _check_text(value, what)
            elif isinstance(value, Mapping | list) and id(value) not in seen:
                seen.add(id(value))
                below.extend(value)
                if isinstance(value, Mapping):
                    below.extend(value.values())
        if not below:
            return
        level = below
    raise WorkflowUnreadable(f"{what} is nested more than {MAX_DEPTH} deep")


def is_finite(tree: Any) -> bool:
    """Whether no number in ``tree`` is NaN or infinite."""
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return False
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return True


def with_nan_as_null(tree: Any) -> Any:
    """A copy of ``tree`` (of checked depth) with ``None`` for NaN and infinities, so that it can be written as JSON."""
    if isinstance(tree, dict):
        return {key: with_nan_as_null(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [with_nan_as_null(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def _check_text(text: str, what: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            start = text[max(0, error.start - 20) : error.start]
            raise WorkflowUnreadable(f"{what} has text that is not Unicode, after {start!r}") from error


def _decoded(data: bytes, what: str) -> str:
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise WorkflowUnreadable(
            f"{what} is not {'UTF-16' if encoding == 'utf-16' else 'UTF-8'} text: byte {error.start} does not fit",
            remedy="is this a workflow file? It should be JSON, or a picture that ComfyUI saved",
        ) from error


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, value in pairs:
            if key in seen:
                is_node = isinstance(value, dict) and "class_type" in value
                twice = f"two nodes have the id '{key}'" if is_node else f"the key '{key}' appears twice in one object"
                raise WorkflowUnreadable(twice, remedy="keep one of them")
            seen.add(key)
    return found
