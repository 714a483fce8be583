"""Processes that share a SQLite file ring for each other when they have committed, so that nobody waits for a poll.

A ring is only a hint, since SQLite notifies nobody of commits. Whoever misses one finds the change by polling.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_RING = b"!"


class Doorbell:
    """Of one database file. Those who listen have a datagram socket each, in a folder that only this user can enter.

    The folder is not next to the database: the names of sockets are short, and not every file system has them.
    """

    def __init__(self, database: str) -> None:
        name = hashlib.sha256(os.path.realpath(database).encode()).hexdigest()[:16]
        self._folder = Path(tempfile.gettempdir(), f"dagfusion-{os.getuid()}-{name}")

    def ring(self) -> None:
        """Wake those who listen. Never waits, never fails."""
        with suppress(OSError), os.scandir(self._folder) as listeners, _socket() as bell:
            if os.lstat(self._folder).st_uid != os.getuid():
                return  # Somebody else had made it before: who knows where that rings.
            bell.setblocking(False)
            for listener in listeners:
                try:
                    bell.sendto(_RING, listener.path)
                except ConnectionRefusedError:  # a process that was killed
                    Path(listener.path).unlink(missing_ok=True)
                except (BlockingIOError, FileNotFoundError):
                    pass  # It has not heard many rings yet, so one more is not needed; or it has just left.

    @contextmanager
    def listening(self, timeout_s: float) -> Iterator[Callable[[], None]]:
        """A function that returns at the next ring, or after ``timeout_s``."""
        path = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        with _socket() as ear:
            ear.settimeout(timeout_s)
            try:
                self._folder.mkdir(exist_ok=True, mode=0o700)
                ear.bind(str(path))
            except OSError:
                yield lambda: time.sleep(timeout_s)
                return
            try:
                yield lambda: _hear(ear)
            finally:
                path.unlink(missing_ok=True)
                with suppress(OSError):  # Others listen still.
                    self._folder.rmdir()


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


def _hear(ear: socket.socket) -> None:
    with suppress(TimeoutError):
        ear.recv(len(_RING))
