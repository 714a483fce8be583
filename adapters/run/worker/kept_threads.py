"""Threads that are reused, and that do not keep the process alive."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from adapters.host.threads import start_thread

_Task = Callable[[], object]


class KeptThreads:
    """Starts a new thread only when none is idle. Unlike an executor's, they do not delay the interpreter's end.

    So a node that never returns, and the thread that waits to report it, end with the process.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: deque[SimpleQueue[_Task]] = deque()

    def start(self, task: _Task) -> None:
        """Run ``task``, which must not raise, in a thread that is free, or in a new one."""
        try:
            tasks = self._idle.pop()
        except IndexError:
            tasks = SimpleQueue()
            start_thread(self._name, partial(self._run, tasks))
        tasks.put(task)

    def _run(self, tasks: SimpleQueue[_Task]) -> None:
        while True:
            tasks.get()()
            self._idle.append(tasks)
