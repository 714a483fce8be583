"""What a pull tells while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adapters.host.models.document import ListedModel
from adapters.host.models.errors import PullFailed


@dataclass(frozen=True, slots=True)
class Planned:
    """Once, before anything is fetched: how many files are to come, and how many bytes of them are not here yet."""

    files: int
    missing_bytes: int


@dataclass(frozen=True, slots=True)
class Started:
    """A file's fetch begins; ``done_bytes`` of it lie here from an earlier one."""

    model: ListedModel
    done_bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another process fetches this file; once it is done, so is this."""

    model: ListedModel


@dataclass(frozen=True, slots=True)
class Advanced:
    """``done_bytes`` of the file are here. Less than before where the fetch had to start again."""

    model: ListedModel
    done_bytes: int


@dataclass(frozen=True, slots=True)
class Retrying:
    """The fetch broke off, and goes on after ``delay_s`` seconds."""

    model: ListedModel
    reason: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Arrived:
    """The file is at ``path``, with the right contents. ``fetched``: whether this pull brought it."""

    model: ListedModel
    path: Path
    fetched: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """The file could not be had."""

    model: ListedModel
    error: PullFailed


Event = Planned | Started | Waiting | Advanced | Retrying | Arrived | Failed
Outcome = Arrived | Failed
Listener = Callable[[Event], None]


def unheard(event: Event) -> None:
    """The listener of a pull that nobody watches."""
