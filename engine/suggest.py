"""Nearest names, for remedies of the kind "did you mean ...?"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import PurePosixPath


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Up to ``count`` of ``known`` that look like ``name``, quoted and joined; empty where none does."""
    by_lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.6)
    return " or ".join(f"'{by_lower[c]}'" for c in close)


def nearest_file(name: str, known: Iterable[str], count: int = 3) -> str:
    """As :func:`nearest`, for files below a folder: the same name elsewhere, else by all but the suffix."""
    files = list(known)
    wanted = PurePosixPath(name.replace("\\", "/").lower())
    moved = [file for file in files if PurePosixPath(file.lower()).name == wanted.name]
    if moved:
        return " or ".join(f"'{file}'" for file in moved[:count])
    by_stem = {str(PurePosixPath(file.lower()).with_suffix("")): file for file in files}
    close = difflib.get_close_matches(str(wanted.with_suffix("")) if wanted.name else "", by_stem, n=count, cutoff=0.6)
    return " or ".join(f"'{by_stem[c]}'" for c in close)
