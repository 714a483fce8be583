"""Whom a long reading or writing tells what it did otherwise, and asks whether it is to go on."""

from __future__ import annotations

from typing import Protocol

from engine.limits import Limits


class NodeContext(Protocol):
    """What a node's :class:`engine.context.Context` offers."""

    limits: Limits

    def note(self, message: str) -> None:
        """Tell whoever watches the run what was done otherwise than asked."""

    def check_cancelled(self) -> None:
        """Raise ``Cancelled`` if the run is to stop."""


class Nobody:
    """For work outside a run."""

    limits = Limits()

    def note(self, message: str) -> None:
        """Nobody hears it."""

    def check_cancelled(self) -> None:
        """It always goes on."""


NOBODY = Nobody()
