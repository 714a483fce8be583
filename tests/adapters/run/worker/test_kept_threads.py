"""Kept threads are used again, run as many tasks at a time as there are, and keep no process from ending."""

from __future__ import annotations

import subprocess
import sys
import threading

from adapters.run.worker.kept_threads import KeptThreads
from tests.adapters.services import until


def test_a_thread_is_used_again_and_another_one_started_where_it_is_busy() -> None:
    threads = KeptThreads("kept")
    used: list[threading.Thread] = []
    for count in (1, 2):
        threads.start(lambda: used.append(threading.current_thread()))
        until(lambda count=count: len(used) == count and len(threads._idle) == 1)  # type: ignore[misc]
    assert used[0] is used[1]
    meeting = threading.Barrier(3, timeout=60)
    for _ in range(2):
        threads.start(meeting.wait)
    meeting.wait()
    until(lambda: len(threads._idle) == 2)


def test_a_task_that_never_ends_does_not_keep_the_process() -> None:
    program = (
        "import threading; from adapters.run.worker.kept_threads import KeptThreads;"
        "KeptThreads('kept').start(threading.Event().wait)"
    )
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)
