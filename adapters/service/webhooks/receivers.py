"""How much each receiver gets at a time, so that one that does not answer holds nobody else's messages up."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from adapters.service.outbound.errors import AddressRefused
from adapters.service.outbound.urls import parse_url
from adapters.service.store.records import Delivery

_MAX_REMEMBERED = 1000
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 120.0


@dataclass(eq=False)
class Receiver:
    """One host and port: its messages that are on their way and that wait here for their turn.

    ``silences``: how many attempts in a row had no answer. While there are any, it gets one message at a time.
    """

    slots: int
    places: int
    running: int = 0
    waiting: deque[Delivery] = field(default_factory=deque)
    silences: int = 0

    @property
    def has_slot(self) -> bool:
        """Whether one more message may be sent right now."""
        return self.running < (1 if self.silences else self.slots)

    @property
    def has_place(self) -> bool:
        """Whether one more message may wait here; it waits no longer than its lease."""
        return not self.silences and len(self.waiting) < self.places

    @property
    def pause_s(self) -> float:
        """How long a message that finds neither should stay away."""
        return random.uniform(0.5, 1) * min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self.silences, 30))  # noqa: S311

    def heard(self, answered: bool) -> list[Delivery]:
        """Take note of an attempt; returns the messages that must no longer wait here."""
        self.silences = 0 if answered else self.silences + 1
        if not self.silences:
            return []
        returned = list(self.waiting)
        self.waiting.clear()
        return returned


class Receivers:
    """All receivers that there is something to know about."""

    def __init__(self, slots: int, places: int) -> None:
        self._slots = slots
        self._places = places
        self._known: dict[str, Receiver] = {}

    def of(self, delivery: Delivery) -> Receiver:
        """The receiver of a message."""
        name = _origin(delivery.url)
        if name not in self._known:
            if len(self._known) >= _MAX_REMEMBERED:
                self._known = {key: one for key, one in self._known.items() if one.running or one.waiting}
            self._known[name] = Receiver(self._slots, self._places)
        return self._known[name]

    def take_waiting(self) -> list[Delivery]:
        """All messages that wait; they wait no longer."""
        taken = [delivery for receiver in self._known.values() for delivery in receiver.waiting]
        for receiver in self._known.values():
            receiver.waiting.clear()
        return taken


def _origin(url: str) -> str:
    try:
        parsed = parse_url(url)
    except AddressRefused:
        return ""  # Fails at once, without a connection.
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"
