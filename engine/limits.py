"""How much one node may make, and how that is counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.disk_room import room_bytes
from engine.errors import DeviceMemoryExhausted, InputInvalid
from engine.host_memory import free_memory_bytes, host_memory_bytes

MIB = 2**20
_MEMORY_SHARE = 0.75
SMALL_BYTES = 64 * MIB  # what takes no more is not worth a look at what is free
_ITEM_BYTES = 16  # what an item of a list or mapping takes at least


@dataclass(frozen=True, slots=True)
class Limits:
    """``text_bytes``: of the texts that one node makes and shows, in UTF-8, with what the lists around them take.

    ``memory_bytes``: what one node may make at once, as far as its inputs say it beforehand; by default a share of
    what the machine or container has. ``pixels``: of one picture that is read, or of one frame of a film.
    ``saved_in``: the folders that each get a copy of what is saved.
    """

    text_bytes: int = 16 * MIB
    memory_bytes: int | None = None
    pixels: int = 64 * 10**6
    saved_in: tuple[Path, ...] = ()

    @property
    def most_memory_bytes(self) -> int:
        """``memory_bytes``, or that share."""
        return int(host_memory_bytes() * _MEMORY_SHARE) if self.memory_bytes is None else self.memory_bytes

    def check_memory(self, needed_bytes: int) -> None:
        """Raises ``InputInvalid`` where a node may not take so much at once."""
        if needed_bytes > self.most_memory_bytes:
            raise InputInvalid(
                f"it would take {_gib(needed_bytes)} of memory at once, and a node may take "
                f"{_gib(self.most_memory_bytes)} (this machine has {_gib(host_memory_bytes())})",
                remedy="make fewer or smaller pictures at a time, or raise DAGFUSION_MAX_MEMORY_MIB",
            )

    def admit(self, needed_bytes: int) -> None:
        """The same, for what is taken now. Raises ``DeviceMemoryExhausted`` where so much is not free."""
        self.check_memory(needed_bytes)
        if needed_bytes > SMALL_BYTES and needed_bytes > (free_bytes := free_memory_bytes()):
            raise DeviceMemoryExhausted(
                f"it would take {_gib(needed_bytes)} of memory at once, and {_gib(free_bytes)} are free",
                remedy="make fewer or smaller pictures at a time; what was kept of earlier runs is freed now",
            )

    def check_disk(self, needed_bytes: int) -> None:
        """Raises ``InputInvalid`` where files of so many bytes together have no room."""
        if needed_bytes <= SMALL_BYTES:
            return
        room = room_bytes(self.saved_in)
        if room is not None and needed_bytes > room:
            raise InputInvalid(
                f"its files would take about {_gib(needed_bytes)}, and there is room for {_gib(room)}: "
                "what is saved is on disk as it is encoded, in the output folder and among what is kept of jobs",
                remedy="save fewer or smaller ones, or make room on the disk",
            )

    def check_pixels(self, name: str, width_px: int, height_px: int, *, input: str | None = None) -> None:
        """Raises ``InputInvalid`` for a picture that is too large to be read."""
        if width_px * height_px > self.pixels:
            raise InputInvalid(
                f"{name} ({width_px}x{height_px}) has more than {self.pixels / 1e6:g} megapixels",
                input=input,
                remedy="make it smaller, or raise DAGFUSION_MAX_MEGAPIXELS",
            )

    def check_text(self, made_bytes: int) -> None:
        """Raises ``InputInvalid`` where that is too much text."""
        if made_bytes > self.text_bytes:
            raise InputInvalid(
                f"it makes more than {self.text_bytes / MIB:g} MiB of text, which is as much as one node may",
                remedy="make shorter texts or lists, or raise DAGFUSION_MAX_TEXT_MIB",
            )


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f} GiB" if size_bytes >= 2**30 else f"{size_bytes / MIB:.1f} MiB"


def text_bytes(values: Iterable[Any], most: int) -> int:
    """Bytes of all texts in ``values`` and the lists and mappings in it; counting stops once it is above ``most``.

    A text that occurs several times counts each time, because it would be written each time.
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
