"""A process that is kept running: started, waited for, and started again when it ends by itself."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from adapters.host.lifeline import PULSE_S, Hearing
from adapters.host.threads import background_thread
from adapters.run.supervisor.exit_codes import STUCK, WRONG_SETTING

_FIRST_DELAY_S = 0.1
_MAX_DELAY_S = 30.0
_HUNG = "let nothing else run for too long, and was killed"
_LONGEST_LOOK_S = 5 * PULSE_S  # of the child's silence: whoever looks more seldom does not know of the rest
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """One life of a child: what to run, and what it is called in messages and in the database."""

    name: str
    command: Sequence[str]
    pass_fds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """``message``: how, in words. ``silenced``: it was killed because it hung, though nobody had stopped it.
    ``told``: what it had said of what it was doing.
    """

    code: int
    message: str
    lived_s: float
    silenced: bool
    told: Sequence[Mapping[str, str]]


class Child:
    """``next_start`` says what to run each time; ``ended`` hears of each end before the next start.

    ``ended`` gets how it ended, and says whether it had worked: who did is started again at once, others after a delay
    that doubles. The process gets a socket as standard input, the
    line of :mod:`adapters.host.lifeline`.
    """

    def __init__(
        self,
        next_start: Callable[[], Start],
        environment: dict[str, str],
        ended: Callable[[Start, End], bool],
    ) -> None:
        self._next_start, self._environment, self._ended = next_start, environment, ended
        self._stopping = threading.Event()
        self._delay_s = _FIRST_DELAY_S
        self._silenced = False
        self._thread = background_thread("child", self._keep)
        self._lock = threading.Lock()
        self.start, self.process, self._hearing = self._spawn()

    def keep(self) -> None:
        """Start again what ends, from now on."""
        self._thread.start()

    def leave(self) -> None:
        """Do not start the process again; it may go on until it ends."""
        self._stopping.set()

    def stop(self) -> None:
        """Ask the process to end (SIGTERM), and do not start it again. A second call asks again."""
        self.leave()
        if self.process.poll() is None:
            self.process.terminate()

    def wait(self, timeout_s: float) -> None:
        """Wait for the end of a stopped process; after ``timeout_s`` it is killed."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _log.warning("%s does not end and is killed", self.start.name)
            self.process.kill()
            self.process.wait()
        self._hearing.close()

    def kill_if_silent(self, limit_s: float) -> None:
        """End a process that hangs as a whole: it had said that it lives, and then nothing for ``limit_s``."""
        with self._lock:
            if self._hearing.silent_s() > limit_s and self.process.poll() is None:
                _log.error("%s has been silent for %.0f s and is killed", self.start.name, limit_s)
                # A process that somebody has stopped, or a debugger, is not to blame for its silence.
                self._silenced = not is_stopped(self.process.pid)
                self.process.kill()

    def holds_on(self, for_s: float) -> bool:
        """Whether it lives and works, but did not get to say so ``for_s``: something in it lets nothing else run."""
        with self._lock:
            silent = self._hearing.silent_s() > for_s
            return silent and self.process.poll() is None and not is_stopped(self.process.pid)

    def _spawn(self) -> tuple[Start, subprocess.Popen[bytes], Hearing]:
        start = self._next_start()
        own, childs = socket.socketpair()
        try:
            process = subprocess.Popen(  # noqa: S603 - our own program
                start.command,
                env=self._environment,
                stdin=childs.fileno(),
                pass_fds=start.pass_fds,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops all in order
            )
        except OSError:
            own.close()
            raise
        finally:
            childs.close()
        return start, process, Hearing(own, _LONGEST_LOOK_S)

    def _keep(self) -> None:
        while True:
            started_at = time.monotonic()
            code = self.process.wait()
            with self._lock:
                told, silenced, self._silenced = self._hearing.told(), self._silenced, False
            self._hearing.close()
            if self._stopping.is_set():
                return
            how = _HUNG if silenced else how_it_ended(code)
            message = f"{self.start.name} {how}"
            if self._ended(self.start, End(code, message, time.monotonic() - started_at, silenced, told)):
                self._delay_s = _FIRST_DELAY_S
            self._start_again(message)

    def _start_again(self, reason: str) -> None:
        """After a delay, again and again where that fails: memory or processes may be short for a while."""
        while not self._stopping.is_set():
            _log.warning("%s; starting it again in %.1f s", reason, self._delay_s)
            if self._stopping.wait(self._delay_s):
                return
            self._delay_s = min(self._delay_s * 2, _MAX_DELAY_S)
            try:
                with self._lock:
                    self.start, self.process, self._hearing = self._spawn()
                break
            except OSError as error:
                reason = f"{self.start.name} cannot be started: {error}"
        if self._stopping.is_set():
            self.process.terminate()


def is_stopped(pid: int) -> bool:
    """Whether a signal or a debugger has stopped the process."""
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except psutil.Error:
        return False


def how_it_ended(code: int) -> str:
    """A return code in words: ``was killed by signal 9 (SIGKILL)``."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        return f"was killed by signal {-code} ({name})"
    if code == STUCK:
        return "ended itself because a node did not stop"
    if code == WRONG_SETTING:
        return "could not begin"
    return f"ended with exit code {code}"
