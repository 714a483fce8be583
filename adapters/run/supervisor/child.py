"""A process that is kept running: started, waited for, and started again when it ends by itself."""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.run.supervisor.exit_codes import STUCK, WRONG_SETTING

_FIRST_DELAY_S = 0.1
_MAX_DELAY_S = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """One life of a child: what to run, and what it is called in messages and in the database."""

    name: str
    command: Sequence[str]
    pass_fds: tuple[int, ...] = ()


class Child:
    """``next_start`` says what to run each time; ``ended`` hears of each end before the next start.

    ``ended`` gets the exit code, a message and the seconds that the process lived, and says whether it had worked: who
    did is started again at once, others after a delay that doubles. The process gets a pipe as standard input that
    closes when this process ends, however it ends.
    """

    def __init__(
        self,
        next_start: Callable[[], Start],
        environment: dict[str, str],
        ended: Callable[[Start, int, str, float], bool],
    ) -> None:
        self._next_start, self._environment, self._ended = next_start, environment, ended
        self._stopping = threading.Event()
        self._delay_s = _FIRST_DELAY_S
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self.start, self.process = self._spawn()

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
        _close_pipe(self.process)

    def _spawn(self) -> tuple[Start, subprocess.Popen[bytes]]:
        start = self._next_start()
        process = subprocess.Popen(  # noqa: S603 - our own program
            start.command,
            env=self._environment,
            stdin=subprocess.PIPE,
            pass_fds=start.pass_fds,
            start_new_session=True,  # Ctrl-C is for the supervisor, which stops all in order
        )
        return start, process

    def _keep(self) -> None:
        while True:
            started_at = time.monotonic()
            code = self.process.wait()
            _close_pipe(self.process)
            if self._stopping.is_set():
                return
            message = f"{self.start.name} {how_it_ended(code)}"
            if self._ended(self.start, code, message, time.monotonic() - started_at):
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
                self.start, self.process = self._spawn()
                break
            except OSError as error:
                reason = f"{self.start.name} cannot be started: {error}"
        if self._stopping.is_set():
            self.process.terminate()


def _close_pipe(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


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
