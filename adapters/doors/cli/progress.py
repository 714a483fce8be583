"""How a run looks from the command line: bars on a terminal, plain lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from engine.events import (
    Event,
    Listener,
    NodeBlocked,
    NodeFinished,
    NodeNote,
    NodePreview,
    NodeProgress,
    NodeStarted,
    RunFailed,
    RunStarted,
)
from engine.types import SavedFile


class _Rate(ProgressColumn):
    """Iterations a second, as people who wait for samplers read it."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.2f} it/s" if speed else "", style="dim")


class _Bars:
    """One bar for the nodes of the run, one for the steps of the node that runs now."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._nodes: TaskID | None = None
        self._steps: TaskID | None = None
        self._name = ""

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted(steps=steps):
                self._nodes = self._progress.add_task("nodes", total=len(steps))
            case NodeStarted(class_type=name):
                self._name = name
            case NodeProgress(value=value, total=total):
                if self._steps is None:
                    self._steps = self._progress.add_task(f"  {self._name}", total=total)
                self._progress.update(self._steps, completed=value, total=total)
            case NodeFinished(cached=False):
                self._finish_node()
            case NodeBlocked(class_type=name, message=message):
                self._progress.console.print(Text(f"{name}: not run: {message}"))
            case NodeNote(class_type=name, message=message):
                self._progress.console.print(Text(f"{name}: {message}"))

    def _finish_node(self) -> None:
        if self._steps is not None:
            self._progress.stop_task(self._steps)
            self._steps = None
        if self._nodes is not None:
            self._progress.advance(self._nodes)


class _Lines:
    """A line a finished node, and one every few seconds within a long one."""

    def __init__(self, every_s: float = 5.0) -> None:
        self._every_s = every_s
        self._last_s = time.monotonic()
        self._name = ""

    def __call__(self, event: Event) -> None:
        match event:
            case NodeStarted(class_type=name):
                self._name, self._last_s = name, time.monotonic()
            case NodeProgress(value=value, total=total):
                if time.monotonic() - self._last_s >= self._every_s:
                    self._last_s = time.monotonic()
                    self._print(f"{self._name}: {value}/{total}")
            case NodeFinished(class_type=name, cached=False, seconds=seconds):
                self._print(f"{name}: {seconds:.2f} s")
            case NodeBlocked(class_type=name, message=message):
                self._print(f"{name}: not run: {message}")
            case NodeNote(class_type=name, message=message):
                self._print(f"{name}: {message}")

    def _print(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def _print_json(event: Event) -> None:
    if not isinstance(event, NodePreview):
        print(json.dumps(event_document(event)), flush=True)


def event_document(event: Event) -> dict[str, object]:
    """An event as JSON-ready values; its kind is the class's name."""
    document: dict[str, object] = {"event": type(event).__name__}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(event, RunFailed) and field.name == "error":
            value = str(value)
        if isinstance(event, NodeFinished) and field.name == "shown":
            value = {kind: [_plain(item) for item in items] for kind, items in value.items()}
        document[field.name] = value
    return document


def _plain(item: object) -> object:
    return item.as_wire() if isinstance(item, SavedFile) else item


@contextmanager
def watcher(*, json: bool) -> Iterator[Listener]:
    """A listener that shows the run on whatever the output is."""
    console = Console(stderr=True)
    if json:
        yield _print_json
    elif not console.is_terminal:
        yield _Lines()
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            _Rate(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as progress:
            yield _Bars(progress)
