"""Whom readings and writings tell what they did otherwise."""

from __future__ import annotations

import pytest

from engine.limits import Limits


class Listener:
    """Keeps the notes."""

    limits = Limits()

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def check_cancelled(self) -> None:
        pass


@pytest.fixture
def run() -> Listener:
    return Listener()
