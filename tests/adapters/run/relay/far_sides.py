"""Far sides that do as a test says: they stream, stall, die, and notice or ignore that they are to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from adapters.run.direct.messages import Completed, Happened, Previewed, Stopped
from adapters.run.relay.far import Alive, FarMessage
from adapters.service.store.records import NewEvent, Output
from engine.context import CancelToken

Script = Callable[[Mapping[str, Any], CancelToken], Iterator[FarMessage]]


def started(node_id: str = "1") -> Happened:
    entry = NewEvent("node_started", {"node_id": node_id, "class_type": "X", "display_id": node_id})
    return Happened((entry,), {"done": 0, "total": 1, "fraction": 0.0, "node_id": node_id})


def completed(data: Any = "made") -> Completed:
    output = Output(name="1_text_0", node_id="1", class_type="X", kind="text", cached=False, data=data)
    last = NewEvent("node_finished", {"node_id": "1", "class_type": "X", "display_id": "1"})
    return Completed((output,), 1.5, (last,), {"done": 1, "total": 1, "fraction": 1.0})


def streams(_document: Mapping[str, Any], _cancel: CancelToken) -> Iterator[FarMessage]:
    yield Alive()
    yield started()
    yield Previewed("1", "image/jpeg", b"early")
    yield Previewed("1", "image/jpeg", b"late")
    yield completed()


def dies(_document: Mapping[str, Any], _cancel: CancelToken) -> Iterator[FarMessage]:
    yield started()
    raise ConnectionError("the container was preempted")


def ends_early(_document: Mapping[str, Any], _cancel: CancelToken) -> Iterator[FarMessage]:
    yield started()


def stalls(_document: Mapping[str, Any], cancel: CancelToken) -> Iterator[FarMessage]:
    """Says nothing after its first words, until it is told to stop."""
    yield started()
    while not cancel.cancelled:
        time.sleep(0.01)


def heeds(_document: Mapping[str, Any], cancel: CancelToken) -> Iterator[FarMessage]:
    """Goes on until it is told to stop, and says that it did."""
    yield started()
    while not cancel.cancelled:
        yield Alive()
        time.sleep(0.01)
    yield Stopped((NewEvent("node_progress", {"node_id": "1", "value": 3, "total": 9}),))


class Ignores:
    """Goes on whatever it is told, until the test lets it end."""

    def __init__(self) -> None:
        self.let_end = threading.Event()
        self.ended = threading.Event()
        self.cancel: CancelToken | None = None

    def __call__(self, _document: Mapping[str, Any], cancel: CancelToken) -> Iterator[FarMessage]:
        self.cancel = cancel
        yield started()
        while not self.let_end.is_set():
            yield Alive()
            time.sleep(0.01)
        yield completed("too late")
        self.ended.set()


class Attempts:
    """Another far side for each attempt; the last one for all that follow. ``documents``: what was sent."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self.documents: list[Mapping[str, Any]] = []

    def __call__(self, document: Mapping[str, Any], cancel: CancelToken) -> Iterator[FarMessage]:
        self.documents.append(document)
        return self._scripts[min(len(self.documents), len(self._scripts)) - 1](document, cancel)
