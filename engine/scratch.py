"""A folder for files that live no longer than this process; leftovers of processes that were killed are removed."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
import threading
import weakref
from contextlib import suppress
from pathlib import Path

_PREFIX = "dagfusion-scratch-"
_LOCK = ".lock"
_making = threading.Lock()
_scratch: _Scratch | None = None


class _Scratch:
    """The folder; it belongs to this process as long as the process holds the lock on a file in it."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _locked(self.folder)
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


def scratch_file(suffix: str) -> Path:
    """A name that no file has yet. Whoever makes the file removes it. Raises ``OSError`` without a folder."""
    global _scratch  # noqa: PLW0603 - one folder a process, like the lock on it
    with _making:
        if _scratch is None or _scratch.process != os.getpid() or not _scratch.folder.is_dir():
            _clear_others(Path(tempfile.gettempdir()))
            _scratch = _Scratch()
        return _scratch.folder / f"{secrets.token_hex(16)}{suffix}"


def _clear_others(place: Path) -> None:
    """Remove this user's folders whose processes are gone, as the system has released their locks."""
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _locked(folder: Path) -> int:
    """The lock file gets its name only once the lock is held, so that no other process finds it free."""
    lock = os.open(folder / f"{_LOCK}.new", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.rename(folder / f"{_LOCK}.new", folder / _LOCK)
    return lock
