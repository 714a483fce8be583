"""What comes out of a run, in this order: any number of ``Happened`` and ``Previewed``, then one that ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.service.store.records import NewEvent, Output


@dataclass(frozen=True, slots=True)
class Happened:
    """Entries for the job's event log, in order, and how far the job is then."""

    entries: tuple[NewEvent, ...]
    progress: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Previewed:
    """The newest unfinished picture. Older ones that nobody took are left out."""

    node_id: str
    media_type: str
    picture: bytes


@dataclass(frozen=True, slots=True)
class Completed:
    """``outputs`` name blobs that are stored. ``entries``: what happened last."""

    outputs: tuple[Output, ...]
    seconds: float
    entries: tuple[NewEvent, ...]
    progress: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FailedEnd:
    """``error`` is an error document. ``entries``: what happened last."""

    error: Mapping[str, Any]
    entries: tuple[NewEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Stopped:
    """The job was cancelled."""

    entries: tuple[NewEvent, ...] = ()


End = Completed | FailedEnd | Stopped
Message = Happened | Previewed | End
