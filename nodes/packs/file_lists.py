"""Lists of files as packs ask for them, which remember what they list: so that choices stay those of now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

LISTED = tuple(f"dagfusion-listed.{kind}" for kind in ("png", "jpg", "webp", "mp4", "wav", "txt", "json"))
"""Files of the input folder while packs are described: a choice that has them is a list of that folder."""


class FileList(list[str]):
    """The files of a folder ``kind``. Put behind or before a list, it remembers what stands there."""

    def __init__(self, files: Iterable[str], kind: str, before: Iterable[str] = (), after: Iterable[str] = ()) -> None:
        self.kind, self.before, self.after = kind, list(before), list(after)
        super().__init__([*self.before, *files, *self.after])

    def _files(self) -> list[str]:
        return self[len(self.before) : len(self) - len(self.after)]

    def __add__(self, other: Any) -> Any:
        if isinstance(other, FileList):
            return [*self, *other]
        return FileList(self._files(), self.kind, self.before, [*self.after, *map(str, other)])

    def __radd__(self, other: Any) -> Any:
        return FileList(self._files(), self.kind, [*map(str, other), *self.before], self.after)

    def copy(self) -> FileList:
        """Another list of the same."""
        return FileList(self._files(), self.kind, self.before, self.after)
