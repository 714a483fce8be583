"""What nodes show, bounded: an event and a row of the database hold so much of it, and the rest is a blob."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.host.plain import plain
from engine.types import SavedFile

INLINE_BYTES = 64 * 1024  # as JSON, of a value of an output, and of all values of an event


def as_json(value: Any) -> bytes:
    """A plain value as the database and its readers write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Boxed:
    """A value that is too large for a row, as the file that it is instead."""

    contents: bytes
    media_type: str
    suffix: str


def boxed(value: Any) -> Any:
    """A plain value as it is, or :class:`Boxed` where its JSON is above :data:`INLINE_BYTES`."""
    document = as_json(value)
    if len(document) <= INLINE_BYTES:
        return value
    if isinstance(value, str):
        return Boxed(value.encode(), "text/plain", ".txt")
    return Boxed(document, "application/json", ".json")


def shown_in_event(shown: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """What a node showed, by kind: its files, and values up to :data:`INLINE_BYTES` in all.

    The value that is too much is its beginning, as a text; a last text tells how many come after it. All of them are
    whole among the job's outputs.
    """
    room = _Room()
    return {kind: list(_bounded(items, room)) for kind, items in shown.items()}


class _Room:
    def __init__(self) -> None:
        self.left_bytes = INLINE_BYTES


def _bounded(items: Sequence[Any], room: _Room) -> Iterator[Any]:
    left_out = 0
    for item in items:
        if isinstance(item, SavedFile):
            yield item.as_wire()
        elif room.left_bytes <= 0:
            left_out += 1
        else:
            value = plain(item)
            size_bytes = len(as_json(value))
            yield value if size_bytes <= room.left_bytes else _beginning(value, room.left_bytes)
            room.left_bytes -= size_bytes
    if left_out:
        yield f"... and {left_out:,} more among the job's outputs"


def _beginning(value: Any, most_bytes: int) -> str:
    text = value.encode() if isinstance(value, str) else as_json(value)
    told = text[:most_bytes].decode("utf-8", "ignore")
    return f"{told} ... (the beginning of {len(text):,} bytes, which are among the job's outputs)"
