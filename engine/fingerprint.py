"""What is in a file, as a short text: a hash of its contents, taken again only when the file may have changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 16 * 2**20
MAX_REMEMBERED = 10_000
# A file written to within this time before it was hashed could be written to again without its times changing.
_CLOCK_GRAIN_NS = 50_000_000

# size, mtime (ns), ctime (ns), inode: as long as these stay, the contents do. ctime cannot be set back by programs.
Stat = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Seen:
    stat: Stat
    fingerprint: str


class FileFingerprints:
    """Fingerprints of files, each hashed once and again when its size, times or inode change.

    Replacing a file under the same name changes its fingerprint; touching, moving or copying it does not. ``store``
    is a JSON file that keeps what was hashed between processes; it may be deleted at any time. Of more files than
    ``MAX_REMEMBERED``, those asked for last are remembered. Thread-safe.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._store = store
        self._seen = _read(store) if store else {}

    def of(self, path: Path) -> str:
        """32 hexadecimal digits that depend on the file's bytes alone. Raises ``OSError`` where it cannot be read."""
        name = os.path.abspath(path)
        stat = _stat(name)
        with self._lock:
            seen = self._seen.get(name)
            if seen is not None and seen.stat == stat:
                self._seen[name] = self._seen.pop(name)  # The last one asked for stands last.
                return seen.fingerprint
        settled = time.time_ns() - max(stat[1], stat[2]) > _CLOCK_GRAIN_NS
        fingerprint = hash_file(path)
        if settled and _stat(name) == stat:
            self._remember(name, _Seen(stat, fingerprint))
        return fingerprint

    def _remember(self, name: str, seen: _Seen) -> None:
        with self._lock:
            self._seen.pop(name, None)
            self._seen[name] = seen
            if len(self._seen) > MAX_REMEMBERED:
                del self._seen[next(iter(self._seen))]
            if self._store is None:
                return
            others = {path: found for path, found in _read(self._store).items() if path not in self._seen}
            merged = {**others, **self._seen}
            newest = list(merged.items())[-MAX_REMEMBERED:]
            document = {path: [*seen.stat, seen.fingerprint] for path, seen in newest}
            partial = self._store.with_name(f"{self._store.name}.{os.getpid()}.part")
            # The store saves time and no more: where it cannot be written, files are hashed again next time.
            with contextlib.suppress(OSError):
                self._store.parent.mkdir(parents=True, exist_ok=True)
                partial.write_text(json.dumps(document), encoding="utf-8")
                partial.replace(self._store)


def hash_file(path: Path) -> str:
    """SHA-256 over the SHA-256 of each 16 MiB chunk, shortened to 128 bits; chunks are hashed on several threads."""

    def digest(offset: int) -> bytes:
        with open(path, "rb") as file:
            file.seek(offset)
            return hashlib.sha256(file.read(CHUNK_BYTES)).digest()

    offsets = range(0, os.stat(path).st_size, CHUNK_BYTES)
    if len(offsets) <= 1:
        digests = [digest(0)]
    else:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1, len(offsets))) as pool:
            digests = list(pool.map(digest, offsets))
    return hashlib.sha256(b"".join(digests)).hexdigest()[:32]


def file_fingerprint(path: Path) -> str:
    """The fingerprint of a file's contents. Raises ``OSError`` where it cannot be read."""
    return _process.of(path)


def keep_fingerprints_in(store: Path) -> None:
    """From now on, let :func:`file_fingerprint` remember between processes what it hashed, in the file ``store``."""
    global _process  # noqa: PLW0603 - one memory a process, like the files it is about
    _process = FileFingerprints(store)


def _stat(path: str) -> Stat:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _read(store: Path) -> dict[str, _Seen]:
    try:
        document = json.loads(store.read_text(encoding="utf-8"))
        return {
            str(path): _Seen((int(size), int(mtime), int(ctime), int(inode)), str(fingerprint))
            for path, (size, mtime, ctime, inode, fingerprint) in document.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


_process = FileFingerprints()
