"""Which files the attempts at one piece of work put into the output folder, so that only the last one's are left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.encoded import digest_of


@dataclass(frozen=True, slots=True)
class Journal:
    """A hidden file in the output folder ``root``, with a line for each file before that gets its name.

    ``attempt``: the number of this one; those before it died. Nothing of it is told to anybody.
    """

    root: Path
    work: str
    attempt: int

    @property
    def again(self) -> bool:
        """Whether an earlier attempt died, which may have put files there already."""
        return self.attempt > 1

    @property
    def is_kept(self) -> bool:
        """Whether its file is there."""
        return self._file.exists()

    def put(self, path: Path, digest: str) -> None:
        """A new file is about to appear as ``path``, unless another one takes the name first."""
        self._add(path, digest)

    def uses(self, path: Path) -> None:
        """A file that is there already is given out by this attempt, whoever put it there."""
        self._add(path, "")

    def leave_own(self) -> None:
        """Remove the files of earlier attempts that this one does not give out, as far as they are still the same."""
        own = {path for attempt, path, _digest in self._lines() if attempt == self.attempt}
        for attempt, path, digest in self._lines():
            if attempt < self.attempt and digest and path not in own:
                with suppress(OSError):  # it never got its name, or somebody else has removed it
                    if digest_of(self.root / path) == digest:
                        (self.root / path).unlink()

    def close(self) -> None:
        """No attempt follows."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        """Called like a file that is being written, which nobody is shown and which is swept away in time."""
        return self.root / f".{hashlib.sha256(self.work.encode()).hexdigest()[:16]}.attempts"

    def _add(self, path: Path, digest: str) -> None:
        line = json.dumps([self.attempt, str(path.relative_to(self.root)), digest])
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def _lines(self) -> Iterator[tuple[int, str, str]]:
        with suppress(OSError), self._file.open(encoding="utf-8") as file:
            for line in file:
                with suppress(ValueError):  # cut short with the process that wrote it
                    attempt, path, digest = json.loads(line)
                    yield attempt, path, digest
