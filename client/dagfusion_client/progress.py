"""A progress bar over a job's events (with the extra ``progress``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from dagfusion_client.models import EventDocument


class Watcher(Protocol):
    """Hears of events."""

    def __call__(self, event: EventDocument) -> None: ...


@contextmanager
def bar() -> Iterator[Watcher]:
    """Shows the nodes that are done and the one that runs. Raises ``ImportError`` where ``rich`` is not installed."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("waiting", total=None)
        done = 0

        def watch(event: EventDocument) -> None:
            nonlocal done
            data = event.data
            match event.kind:
                case "run_started":
                    done = 0
                    progress.update(task, total=len(data["steps"]), completed=0, description="running")
                case "node_started":
                    progress.update(task, description=data["class_type"])
                case "node_progress":
                    progress.update(task, completed=done + data["value"] / max(data["total"], 1))
                case "node_finished" if not data["cached"]:
                    done += 1
                    progress.update(task, completed=done)
                case "completed" | "failed" | "cancelled":
                    progress.update(task, description=event.kind)
                case _:
                    pass

        yield watch
