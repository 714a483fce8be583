"""Folders that nobody but the user who runs dagfusion can look into."""

from __future__ import annotations

import stat
from pathlib import Path


def make_private(folder: Path) -> None:
    """Make ``folder`` and what is missing above it with mode 0700; what is there stays as it is. Raises ``OSError``."""
    if not folder.parent.exists():
        make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def open_to_all(folder: Path) -> bool:
    """Whether every user of the machine can get at files of ``folder``, by its mode and those above it."""
    inside = folder.resolve()
    entered = (one.stat().st_mode & stat.S_IXOTH for one in (inside, *inside.parents))
    return inside.is_dir() and all(entered)
