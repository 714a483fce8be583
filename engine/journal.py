"""Which files each attempt at a job put into the output folder, so that only those of the last attempt are left."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.encoded import digest_of

_SUFFIX = ".attempts"


@dataclass(frozen=True, slots=True)
class Journal:
    """A hidden file in the output folder ``root``; a line is added for each file before the file gets its name.

    ``attempt``: the number of this attempt; the earlier ones died. Clients never see this file.
    """

    root: Path
    work: str
    attempt: int
    _put: list[tuple[Path, str]] = field(default_factory=list, repr=False, compare=False)

    @property
    def again(self) -> bool:
        """Whether an earlier attempt died, and may have left files there."""
        return self.attempt > 1

    @property
    def is_kept(self) -> bool:
        """Whether the journal's file exists."""
        return self._file.exists()

    def put(self, path: Path, digest: str) -> None:
        """A new file is about to appear as ``path``, unless another file takes the name first."""
        self._put.append((path, digest))
        self._add(path, digest)

    def uses(self, path: Path) -> None:
        """A file that is there already, whoever put it there, is given out by this attempt."""
        self._add(path, "")

    def leave_own(self) -> None:
        """Remove the earlier attempts' files that this one does not give out, if nobody has changed them since."""
        own = {path for attempt, path, _digest in self._lines() if attempt == self.attempt}
        for attempt, path, digest in self._lines():
            if attempt < self.attempt and digest and path not in own:
                _remove_if_same(self.root / path, digest)

    def take_back(self, but: Container[Path]) -> None:
        """Remove the files of this attempt, except ``but``: another one did the work, and gave out those."""
        for path, digest in self._put:
            if path not in but:
                _remove_if_same(path, digest)

    def files(self) -> dict[Path, str]:
        """What the attempts put below ``root`` and left there, with the digest that each had."""
        put = {Path(path): digest for _attempt, path, digest in self._lines() if digest}
        return {path: digest for path, digest in put.items() if os.path.isfile(self.root / path)}

    def close(self) -> None:
        """There will be no further attempt: remove the journal."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        """Named like a file that is still being written: hidden from listings, and removed when it is old."""
        return self.root / _name(self.work)

    def _add(self, path: Path, digest: str) -> None:
        line = json.dumps([self.attempt, str(path.relative_to(self.root)), digest])
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def _lines(self) -> Iterator[tuple[int, str, str]]:
        return _read(self._file)


def paths_underway(root: Path, but: Iterable[str]) -> set[Path]:
    """The files below ``root`` that work which is not at its end, and none of ``but``, has put there or gives out."""
    ended = {_name(work) for work in but}
    journals = (file for file in root.glob(f".*{_SUFFIX}") if file.name not in ended)
    return {root / path for file in journals for _attempt, path, _digest in _read(file)}


def _name(work: str) -> str:
    return f".{hashlib.sha256(work.encode()).hexdigest()[:16]}{_SUFFIX}"


def _read(journal: Path) -> Iterator[tuple[int, str, str]]:
    with suppress(OSError), journal.open(encoding="utf-8") as file:
        for line in file:
            with suppress(ValueError):  # cut short with the process that wrote it
                attempt, path, digest = json.loads(line)
                yield attempt, path, digest


def _remove_if_same(path: Path, digest: str) -> None:
    with suppress(OSError):  # it never got its name, or somebody else has removed it
        if digest_of(path) == digest:
            path.unlink()
