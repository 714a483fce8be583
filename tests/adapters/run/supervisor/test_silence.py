"""A process that hangs as a whole is heard of no more, and is killed; nobody else is."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from adapters.host import lifeline
from adapters.host.lifeline import Hearing
from adapters.run.supervisor.child import Child, Start
from tests.adapters.services import Service, running, until

BEATS = "from adapters.host.lifeline import Pulse, on_parents_end; import threading, os; Pulse().keep_beating()"
FOREVER = "; on_parents_end(lambda: os._exit(0)); threading.Event().wait()"
SAYS_NOTHING = "import sys; sys.stdin.read()"


@pytest.fixture
def child(request: pytest.FixtureRequest) -> Iterator[Child]:
    environment = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[4])}
    kept = Child(lambda: Start("it", (sys.executable, "-P", "-c", request.param)), environment, lambda *_: False)
    yield kept
    kept.process.kill()
    kept.wait(60)


@pytest.mark.parametrize("child", [BEATS + FOREVER], indirect=True)
def test_a_child_that_stops_to_tell_that_it_lives_is_killed(child: Child, caplog: pytest.LogCaptureFixture) -> None:
    def heard_of() -> bool:
        child.kill_if_silent(1e6)
        return child._hearing._heard_of

    def killed() -> bool:
        child.kill_if_silent(0.2)
        return child.process.poll() == -signal.SIGKILL

    until(heard_of)
    os.kill(child.process.pid, signal.SIGSTOP)
    until(killed)
    assert "it has been silent for 0 s and is killed" in caplog.text


@pytest.mark.parametrize("child", [SAYS_NOTHING], indirect=True)
def test_a_child_that_never_said_that_it_lives_is_let_be(child: Child) -> None:
    for _ in range(3):
        child.kill_if_silent(0.0)
    assert child.process.poll() is None


def test_only_time_in_which_the_parent_looked_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(lifeline.time, "monotonic", lambda: now)
    own, childs = socket.socketpair()
    hearing = Hearing(own, longest_look_s=5)
    childs.send(b".")
    assert hearing.silent_s() == 0
    now += 3600  # both were stopped, say
    assert hearing.silent_s() == 5
    now += 3
    assert hearing.silent_s() == 8
    childs.send(b"...")
    assert hearing.silent_s() == 0
    childs.close()
    hearing.close()


def web_of(service: Service) -> psutil.Process | None:
    children = psutil.Process(service.process.pid).children()
    return next((child for child in children if "adapters.doors.http.process" in child.cmdline()), None)


def test_a_web_process_that_hangs_is_started_again(tmp_path: Path) -> None:
    with running(tmp_path, "serve", "--port", "0", "--no-worker", ready=False, lease_s="1") as service:
        with urlopen(f"{service.url}/health", timeout=60) as reply:
            assert reply.status == 200
        hanging = until(lambda: web_of(service))
        until(lambda: "ready to answer" in service.log)
        hanging.suspend()
        until(lambda: not hanging.is_running() or hanging.status() == psutil.STATUS_ZOMBIE)
        with urlopen(f"{service.url}/health", timeout=60) as reply:
            assert reply.status == 200
        assert "the web process has been silent" in service.log
