"""The tables as they were first. Nothing to do: no database is older."""

from __future__ import annotations

revision = "1"
down_revision = None


def upgrade() -> None:
    """Leave all as it is."""
