"""Nearest names, for remedies of the kind "did you mean ...?"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Up to ``count`` of ``known`` that look like ``name``, quoted and joined; empty where none does."""
    by_lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.6)
    return " or ".join(f"'{by_lower[c]}'" for c in close)
