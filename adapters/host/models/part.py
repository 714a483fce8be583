"""A file on its way: bytes are appended and hashed as they come, and it takes its name when it is complete."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from adapters.host.models.places import Beside, remember_hash

CHUNK_BYTES = 4 * 2**20


class PartialFile:
    """The unfinished file beside ``target``. What an earlier process left of it is taken over.

    ``pieced``: its bytes are of more than one transfer, which may have been of different files.
    """

    def __init__(self, target: Path) -> None:
        self._beside = Beside(target)
        self._beside.folder.mkdir(parents=True, exist_ok=True)
        self._file = open(self._beside.part, "ab+")  # noqa: SIM115 - closed by close()
        self._hash = hashlib.sha256()
        self._file.seek(0)
        while chunk := self._file.read(CHUNK_BYTES):
            self._hash.update(chunk)
        self.size_bytes = self._file.tell()
        self.pieced = self.size_bytes > 0
        self.validators = _read_note(self._beside.note) if self.size_bytes else {}

    def restart(self) -> None:
        """Forget all bytes."""
        self._file.truncate(0)
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        self.pieced = False
        self.note({})

    def note(self, validators: dict[str, str]) -> None:
        """Keep which version of the remote file the bytes are of (its ``etag`` or ``last-modified``)."""
        if validators != self.validators:
            self._beside.note.write_text(json.dumps(validators))
            self.validators = validators

    def append(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size_bytes += len(chunk)

    def flush(self) -> None:
        """Hand all bytes to the system: from here on they outlive this process."""
        self._file.flush()

    @property
    def sha256(self) -> str:
        """Of the bytes so far."""
        return self._hash.hexdigest()

    def head(self, count: int) -> bytes:
        """The first bytes."""
        self._file.flush()
        with open(self._beside.part, "rb") as file:
            return file.read(count)

    def finish(self) -> Path:
        """Give the file its name: afterwards it is there as a whole, also after a power cut."""
        target = self._beside.target
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._beside.part.replace(target)
        self._beside.note.unlink(missing_ok=True)
        _sync_folder(target.parent)
        remember_hash(target, self.sha256)
        return target

    def discard(self) -> None:
        """Delete the bytes: they are of no use."""
        self._file.close()
        self._beside.part.unlink(missing_ok=True)
        self._beside.note.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the bytes for the next attempt."""
        self._file.close()


def _read_note(path: Path) -> dict[str, str]:
    try:
        found: Any = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
