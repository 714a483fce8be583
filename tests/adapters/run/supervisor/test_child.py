"""A process that is to be kept running is, whatever happens."""

from __future__ import annotations

import sys
import threading

import pytest

from adapters.run.supervisor import child
from adapters.run.supervisor.child import Child, End, Start

ENDS = (sys.executable, "-c", "")
STAYS = (sys.executable, "-c", "import sys; sys.stdin.read()")


def test_who_is_left_at_its_end_is_not_said_to_start_again(caplog: pytest.LogCaptureFixture) -> None:
    over = threading.Event()

    def ended(_start: Start, _end: End) -> bool:
        kept.leave()
        over.set()
        return False

    kept = Child(lambda: Start("it", ENDS), {}, ended)
    kept.keep()
    assert over.wait(60)
    kept._thread.join(60)
    assert not kept._thread.is_alive() and caplog.text == ""


def test_a_process_that_cannot_be_started_for_a_while_is_started_after_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(child, "_FIRST_DELAY_S", 0.01)
    commands = iter([ENDS, ("/there/is/no/such/program",), ("/there/is/no/such/program",), STAYS])
    ends: list[int] = []
    up = threading.Event()

    def next_start() -> Start:
        command = next(commands)
        if command is STAYS:
            up.set()
        return Start("it", command)

    def ended(_start: Start, end: End) -> bool:
        ends.append(end.code)
        return False

    kept = Child(next_start, {}, ended)
    kept.keep()
    assert up.wait(60)
    kept.stop()
    kept.wait(60)
    kept._thread.join(60)
    assert ends == [0]  # the one that was there
    assert caplog.text.count("it cannot be started") == 2
