"""What a relay needs of the far side: it takes a job's document, and messages come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from adapters.run.direct.messages import Message
from engine.context import CancelToken


@dataclass(frozen=True, slots=True)
class Alive:
    """The far side has the job and is still there. Comes first, and whenever there is nothing else to tell."""


@dataclass(frozen=True, slots=True)
class Unable:
    """The far side can run no jobs; another machine may be able to. The last message. ``error``: an error document."""

    error: Mapping[str, Any]


FarMessage = Message | Alive | Unable


class FarRun(Protocol):
    """Runs a job document far away. ``adapters.run.direct.runner.DirectRunner.run`` does the same in this process.

    The messages end with an ``End``. If they stop without one, or the iterator raises, the far side is lost and the
    job goes back to the queue. Once ``cancel`` is set, the far side should stop.
    """

    def __call__(self, document: Mapping[str, Any], cancel: CancelToken) -> Iterator[FarMessage]:
        """Begin at the first ``next``; may block for as long as the far side is silent."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until the first message (a machine may have to start), between messages, and after a stop was asked."""

    start_s: float = 1800.0
    silence_s: float = 60.0
    stop_s: float = 90.0
