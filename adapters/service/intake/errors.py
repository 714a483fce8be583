"""What is refused about a job's input files."""

from __future__ import annotations

from engine.errors import DagfusionError


class InputRefused(DagfusionError):
    """An input file that cannot be taken: its name, its encoding, its address or what it holds."""

    def __init__(self, name: str, reason: str, *, remedy: str = "") -> None:
        shown = name if len(name) <= 100 else f"{name[:100]}..."
        super().__init__(f"input file {shown!r}: {reason}", remedy=remedy)
        self.name = name


class InputTooLarge(InputRefused):
    """An input file, or all of them together, with more bytes or pixels than are taken."""


class InputUnreachable(InputRefused):
    """The address of an input file did not answer as it should; it may another time."""
