"""How many of something there are, in words."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """``1 output``, ``2 outputs``, ``0 outputs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
