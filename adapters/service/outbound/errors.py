"""What can go wrong with an address that a user gave."""

from __future__ import annotations

from engine.errors import DagfusionError


class AddressRefused(DagfusionError):
    """The address may not be contacted: its form, its host or what the host resolves to. Trying again is of no use."""


class FetchFailed(DagfusionError):
    """The other side did not answer as it should. ``status``: its HTTP status, where it came to one."""

    def __init__(self, message: str, *, remedy: str = "", status: int | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class FetchTooLarge(FetchFailed):
    """The other side sent, or announced, more bytes than are taken."""
