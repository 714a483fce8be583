"""A blob on its way in: written to a file of its own first, since only its last byte gives it its name."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters.service.blobs.failures import reachable


@dataclass(frozen=True, slots=True)
class Blob:
    """``digest``: SHA-256 of the contents as 64 hexadecimal digits."""

    digest: str
    size_bytes: int


class BlobWriter:
    """Takes bytes; :meth:`commit` makes them a blob. Leaving the context without it leaves nothing behind.

    ``path`` may be read, for checks, once :meth:`close` was called.
    """

    def __init__(self, spool: Path, publish: Callable[[Path, Blob], None]) -> None:
        self.path = spool / f"{secrets.token_hex(16)}.part"
        self.size_bytes = 0
        self._publish = publish
        self._hash = hashlib.sha256()
        self._file = open(self.path, "xb")  # noqa: SIM115 - closed by close()

    def write(self, data: bytes) -> None:
        """Append. Raises ``BlobStoreUnavailable`` where the disk is full."""
        with reachable():
            self._file.write(data)
        self._hash.update(data)
        self.size_bytes += len(data)

    def close(self) -> None:
        """No more bytes will come."""
        if not self._file.closed:
            with reachable():
                self._file.flush()
                os.fchmod(
                    self._file.fileno(), 0o444
                )  # Others link to the file: what writes to theirs must not change it.
                os.fsync(self._file.fileno())
                self._file.close()

    def commit(self) -> Blob:
        """Publish the bytes under their digest, all at once. They may be there already."""
        self.close()
        blob = Blob(self._hash.hexdigest(), self.size_bytes)
        self._publish(self.path, blob)
        return blob

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # What could not be written is not wanted any more.
            self._file.close()
        self.path.unlink(missing_ok=True)
