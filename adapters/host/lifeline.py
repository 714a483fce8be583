"""The line between a process and the one that started it, which is the process's standard input.

The parent's end closes when the parent ends, however it does. Where the line is a socket, the process says on it that
it lives: it is heard even while nothing that the two share, a database say, can be written to.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from adapters.host.threads import start_thread

PULSE_S = 1.0
BEAT = b"\0"  # which JSON never has


def on_parents_end(act: Callable[[], object]) -> None:
    """Call ``act``, in a thread of its own, once standard input is closed: the parent is gone, however it ended."""
    descriptor = sys.stdin.fileno()

    def wait() -> None:
        with suppress(ConnectionError):
            while os.read(descriptor, 1024):
                pass
        act()

    start_thread("lifeline", wait)


class Pulse:
    """Tells the parent that this process lives, each time that :meth:`beat` is called; nothing without such a line."""

    def __init__(self) -> None:
        self._line: socket.socket | None = None
        with suppress(OSError, ValueError):  # standard input is no socket, or closed
            self._line = socket.socket(fileno=os.dup(sys.stdin.fileno()))

    def beat(self) -> None:
        """Never waits, never fails: a parent that does not read has enough to read."""
        if self._line is not None:
            with suppress(OSError):
                self._line.send(BEAT, socket.MSG_DONTWAIT)

    def tell(self, what: Mapping[str, str]) -> None:
        """Say something that the parent is to know should this process end or hang; as quick as a beat, or left out."""
        if self._line is not None:
            with suppress(OSError):
                self._line.send(json.dumps(what).encode() + b"\n", socket.MSG_DONTWAIT)

    def keep_beating(self, every_s: float = PULSE_S) -> None:
        """Beat from a thread of its own, until the process ends or hangs as a whole."""
        start_thread("pulse", partial(self._keep, every_s))

    def _keep(self, every_s: float) -> None:
        while True:
            self.beat()
            time.sleep(every_s)


class Hearing:
    """The parent's end of the line. Only time in which the parent looked counts as the child's silence: a machine that
    slept, or a parent that was stopped, hears nothing either.
    """

    def __init__(self, line: socket.socket, longest_look_s: float) -> None:
        self._line, self._longest_look_s = line, longest_look_s
        self._line.setblocking(False)
        self._heard_of = False
        self._looked_at = time.monotonic()
        self._silent_s = 0.0
        self._rest = b""
        self._told: dict[str, dict[str, str]] = {}

    def told(self) -> list[dict[str, str]]:
        """The last that the child said of each ``job``, but for those that it said had ``ended``; the newest last."""
        self._take()
        return list(self._told.values())

    def silent_s(self) -> float:
        """Look now: for how long nothing was heard. 0 for a child that has not begun to tell."""
        now = time.monotonic()
        heard = self._take()
        self._heard_of = self._heard_of or heard
        counts = self._heard_of and not heard
        self._silent_s = self._silent_s + min(now - self._looked_at, self._longest_look_s) if counts else 0.0
        self._looked_at = now
        return self._silent_s

    def close(self) -> None:
        """Let the child know that nobody listens any more."""
        self._line.close()

    def _take(self) -> bool:
        heard = False
        with suppress(OSError):  # nothing more to read, or the child has ended
            while piece := self._line.recv(4096):
                heard = True
                self._read(piece)
        return heard

    def _read(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece.replace(BEAT, b"")).split(b"\n")
        for line in lines:
            with suppress(ValueError):
                what = json.loads(line)
                if "ended" in what:
                    self._told.pop(what["job"], None)
                else:
                    self._told.pop(what["job"], None)
                    self._told[what["job"]] = what
