"""What a run tells whoever watches it: numbered events, in order, without gaps."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """``number`` counts from 1 within a run; ``time_s`` is Unix time. Filled in by the :class:`EventLog`."""

    number: int = 0
    time_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """The plan stands: ``steps`` are the node ids that will run, ``cached`` those whose outputs are known."""

    steps: tuple[str, ...]
    cached: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStarted(Event):
    node_id: str
    class_type: str
    display_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProgress(Event):
    """``value`` of ``total`` steps within one node are done."""

    node_id: str
    value: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePreview(Event):
    """A small picture of the unfinished result: uint8[height, width, 3] on the CPU."""

    node_id: str
    picture: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFinished(Event):
    """``shown``: what an output node made, by kind (``images``, ``text``, ...), as in ComfyUI's ``ui`` dictionary.

    ``display_id``: the workflow's node that this one belongs to; another one for nodes of an expansion.
    """

    node_id: str
    class_type: str
    display_id: str = ""
    shown: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    cached: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBlocked(Event):
    """An output node does not run because a ``Blocked`` with a message reached it; the run goes on."""

    node_id: str
    class_type: str
    display_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeNote(Event):
    """Something that a node did otherwise than asked, or left out, and went on: for people to read."""

    node_id: str
    class_type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(Event):
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelled(Event):
    node_id: str | None = None


Listener = Callable[[Event], None]


class EventLog:
    """Numbers events and hands them to listeners, in order also when several threads emit."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Number ``event`` and pass it on. Listeners must return quickly and not raise."""
        with self._lock:
            # Events are frozen for their readers; numbering one is part of making it.
            object.__setattr__(event, "number", next(self._numbers))
            object.__setattr__(event, "time_s", time.time())
            for listener in self._listeners:
                listener(event)
