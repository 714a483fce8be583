"""Tells a folder of blobs from another one at its place, be it an empty one, or the one below a volume that is gone."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from adapters.service.blobs.errors import BlobStoreUnavailable

_MARK = ".dagfusion-blobs"
_REMEDY = "put it back as it was, or start the service again, which then has no files of earlier jobs"


class FolderIdentity:
    """The mark in the folder: a file with a random text, made by the first who opens it."""

    def __init__(self, folder: Path) -> None:
        self._mark = folder / _MARK
        with suppress(OSError), self._mark.open("x") as file:  # there already, or nothing can be written anyway
            file.write(secrets.token_hex(16))
        self._text = self._read()

    def check(self) -> None:
        """Raise ``BlobStoreUnavailable`` where the folder is not the one that was opened."""
        if self._text is None:
            self._text = self._read()
            return
        if not self._mark.parent.is_dir():
            raise BlobStoreUnavailable("the folder of the blobs was removed", remedy=_REMEDY)
        if self._read() != self._text:
            raise BlobStoreUnavailable("the folder of the blobs was emptied or replaced", remedy=_REMEDY)

    def _read(self) -> str | None:
        try:
            return self._mark.read_text() or None
        except OSError:
            return None
