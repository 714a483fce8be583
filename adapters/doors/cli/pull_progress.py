"""How a pull looks from the command line: bars on a terminal, plain lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn

from adapters.host.models.events import (
    Advanced,
    Arrived,
    Event,
    Failed,
    Listener,
    Planned,
    Retrying,
    Started,
    Waiting,
)
from engine.counted import counted

REPORT_EVERY_S = 5.0


class _Bars:
    """A bar for each file that is being fetched; what ends well or badly stays as a line above them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case Started(model=model, done_bytes=done):
                task = self._progress.add_task(model.label, total=model.size_bytes, completed=done)
                self._tasks[model.label] = task
            case Advanced(model=model, done_bytes=done):
                self._progress.update(self._tasks[model.label], completed=done)
            case Arrived(model=model) | Failed(model=model) if model.label in self._tasks:
                self._progress.remove_task(self._tasks.pop(model.label))
        if line := _line(event):
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


class _Lines:
    """A line for whatever happens, and one every few seconds for each file on its way."""

    def __init__(self) -> None:
        self._due = _Every(REPORT_EVERY_S)

    def __call__(self, event: Event) -> None:
        line = _line(event)
        if isinstance(event, Advanced) and self._due(event.model.label):
            line = f"{event.model.label}: {event.done_bytes / event.model.size_bytes:.0%}"
        if line:
            print(line, file=sys.stderr, flush=True)


class _JsonLines:
    """A JSON object a line; of a file's progress no more than one a second."""

    def __init__(self) -> None:
        self._due = _Every(1.0)

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Advanced) or self._due(event.model.label):
            print(json.dumps(event_document(event)), flush=True)


class _Every:
    """Says for each name whether the time has come again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last_s: dict[str, float] = {}

    def __call__(self, name: str) -> bool:
        now_s = time.monotonic()
        due = now_s - self._last_s.setdefault(name, now_s) >= self._seconds
        if due:
            self._last_s[name] = now_s
        return due


def _line(event: Event) -> str:
    """What there is to say of an event in words; nothing of mere progress."""
    line = ""
    match event:
        case Planned(files=files, missing_bytes=missing) if files:
            line = f"fetching {counted(files, 'file')}, {missing / 1e6:,.1f} MB"
        case Started(model=model, done_bytes=done) if done:
            line = f"{model.label}: goes on at {done / model.size_bytes:.0%}"
        case Waiting(model=model):
            line = f"{model.label}: waiting for another pull that fetches it"
        case Retrying(model=model, reason=reason, delay_s=delay_s):
            line = f"{model.label}: {reason}; trying again in {delay_s:.1f} s"
        case Arrived(model=model, path=path, fetched=fetched):
            line = f"{model.label}: {'fetched' if fetched else 'here'}, {path}"
        case Failed(error=error):
            line = f"error: {error}"
    return line


def event_document(event: Event) -> dict[str, object]:
    """An event as JSON-ready values; its kind is the class's name."""
    document: dict[str, object] = {"event": type(event).__name__}
    if not isinstance(event, Planned):
        document |= {"kind": event.model.kind, "name": event.model.name}
    match event:
        case Planned(files=files, missing_bytes=missing):
            document |= {"files": files, "missing_bytes": missing}
        case Started(model=model, done_bytes=done) | Advanced(model=model, done_bytes=done):
            document |= {"done_bytes": done, "size_bytes": model.size_bytes}
        case Retrying(reason=reason, delay_s=delay_s):
            document |= {"reason": reason, "delay_s": round(delay_s, 3)}
        case Arrived(path=path, fetched=fetched):
            document |= {"path": str(path), "fetched": fetched}
        case Failed(error=error):
            document |= {"code": error.code, "message": error.message, "remedy": error.remedy}
    return document


@contextmanager
def watcher(*, json: bool) -> Iterator[Listener]:
    """A listener that shows the pull on whatever the output is."""
    console = Console(stderr=True)
    if json or not console.is_terminal:
        show: Callable[[Event], None] = _JsonLines() if json else _Lines()
        yield show
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), SpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield _Bars(progress)
