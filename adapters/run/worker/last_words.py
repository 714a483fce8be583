"""Reports which node of a job is about to run, so that it is known if that node takes the process down with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.events import Event, NodeFinished, NodeStarted, RunCancelled, RunFailed, RunFinished

Tell = Callable[[Mapping[str, str]], None]
_ENDS = (NodeFinished, RunFinished, RunFailed, RunCancelled)


class LastWords:
    """A listener for one run, called in the thread that is about to run the node. ``tell`` must not block."""

    def __init__(self, job_id: str, tell: Tell) -> None:
        self._job_id, self._tell = job_id, tell

    def __call__(self, event: Event) -> None:
        """Take note of ``event``."""
        if isinstance(event, NodeStarted):
            self._tell({"job": self._job_id, "node_id": event.display_id, "class_type": event.class_type})
        elif isinstance(event, _ENDS):
            self._tell({"job": self._job_id, "ended": "node"})
