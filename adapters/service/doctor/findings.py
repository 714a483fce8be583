"""What an examination finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapters.host.settings import Settings

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``group`` (hardware, software ...) and ``name`` say what was examined, ``value`` what was found.

    ``warn``: works, worse than it could. ``fail``: something will not work. ``remedy``: what to do about it.
    """

    group: str
    name: str
    status: Status
    value: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """What is examined: the settings, and the manifest whose files should be here, if there is one."""

    settings: Settings
    manifest: Path | None = None


Examination = Callable[[Examined], Iterable[Finding]]


def gigabytes(size_bytes: float) -> str:
    """``12.3 GB``."""
    return f"{size_bytes / 1e9:.1f} GB"
