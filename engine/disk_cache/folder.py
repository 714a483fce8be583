"""Files by name in a folder that processes share, under a bound on their bytes: least recently used ones go first,
and what took long to make is taken for used later than it was.

Nothing is locked. A file appears whole or not at all, by renaming; whoever reads one that is dropped meanwhile reads
it to its end; two that write the same name write the same. A crash leaves at most a partial file, which goes later.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

# Only files of these names are ever looked at or removed, whatever else somebody keeps in the folder.
SUFFIX = ".dagfusion.safetensors"
_PARTIAL = ".dagfusion.part"
# Nothing is written for as long as this: whoever wrote it is gone.
_ABANDONED_S = 600.0
# Of the budget. What others write is known at the next look only, so the bound is kept with this much to spare.
_PART = 1 / 16
# What took a second longer to make outlasts what was used ten minutes later; an hour of making is the most that counts.
_WORTH_S = 600.0
_MOST_S = 3600.0
_BLOCK_BYTES = 4096  # what file systems give out


class BoundedFolder:
    """``budget_bytes`` for all files in ``folder``, whoever wrote them. One thread writes, any may read.

    The folder is looked through once for every sixteenth of the budget that is written, so with N processes writing
    it may be over by N - 1 sixteenths for a while. A single file may take a sixteenth.
    """

    def __init__(self, folder: Path, budget_bytes: int) -> None:
        self.folder = folder
        self.budget_bytes = budget_bytes
        self.largest_bytes = int(budget_bytes * _PART)
        self.bytes_used = 0  # at the last look, and what was written here since
        self.evictions = 0
        self._unseen_bytes: int | None = None  # written here since the last look

    def read(self, name: str) -> bytes | None:
        """The file's bytes; ``None`` where there is none. Raises ``OSError``."""
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def touch(self, name: str, seconds: float = 0.0) -> bool:
        """Take it for used now; False where there is none, or it belongs to somebody else.

        ``seconds``: how long it took to make. For each it stays as if it had been used ``_WORTH_S`` later.
        """
        with contextlib.suppress(OSError):
            now = time.time()
            os.utime(self._path(name), (now, now + min(seconds, _MOST_S) * _WORTH_S))
            return True
        return False

    def write(self, name: str, data: bytes, seconds: float = 0.0) -> None:
        """Put a file there, and drop others if need be. ``seconds``: see :meth:`touch`.

        Raises ``OSError``, and nothing is left then.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self.folder / f"{uuid.uuid4().hex}{_PARTIAL}"
        try:
            partial.write_bytes(data)
            partial.replace(self._path(name))
            self.touch(name, seconds)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        taken = _on_disk(len(data))
        self.bytes_used += taken
        self._unseen_bytes = None if self._unseen_bytes is None else self._unseen_bytes + taken
        if self._unseen_bytes is None or self._unseen_bytes >= self.largest_bytes:
            self._look_through()

    def drop(self, name: str) -> None:
        """Remove the file, if it is there."""
        with contextlib.suppress(OSError):
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _look_through(self) -> None:
        """Drop the least recently used until there is room for what comes before the next look."""
        files = sorted(_files(self.folder), key=lambda file: file[0])
        used = sum(size for _, size, _ in files)
        if used > self.budget_bytes - self.largest_bytes:
            for _, size, path in files:
                if used <= self.budget_bytes - 2 * self.largest_bytes:
                    break
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                    self.evictions += 1
                used -= size
        self.bytes_used, self._unseen_bytes = used, 0


def _files(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """When each is taken to have been used (ns), its bytes, its path. Partial files that nobody writes are removed."""
    oldest_ns = time.time_ns() - int(_ABANDONED_S * 1e9)
    with os.scandir(folder) as found:
        for item in found:
            with contextlib.suppress(FileNotFoundError):
                stat = item.stat(follow_symlinks=False)
                if not item.is_file(follow_symlinks=False):
                    continue
                if item.name.endswith(SUFFIX):
                    yield stat.st_mtime_ns, _on_disk(stat.st_size), Path(item.path)
                elif item.name.endswith(_PARTIAL) and stat.st_mtime_ns < oldest_ns:
                    os.unlink(item.path)


def _on_disk(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES
