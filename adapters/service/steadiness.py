"""Whether a lease ran out because its worker is silent, or because nobody could have renewed it at that time."""

from __future__ import annotations

import time

_WAIT_SHARE = 1 / 2  # of a lease: who waited so long for the database's turn, so may have those who renew
_JUMP_SHARE = 1 / 3  # of a lease: renewals come as often, so a smaller jump of the clock takes none away
_LEAST_JUMP_S = 1.0  # what two clocks can be apart in reading them, on a busy machine
_LEAST_PAUSE_S = 5.0  # a pause between looks that is none of a busy machine's


class Steadiness:
    """Must be told of each look at the database: when it began and what its clock said then, or that it failed.

    After a look that failed, took long, came after a pause, or found that the clock had jumped, no lease is taken back
    for the length of one lease: living workers have that long to renew theirs.
    """

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._failed = False
        self._last: tuple[float, float] | None = None  # this process's monotonic clock, the database's
        self._patient_until = 0.0

    def failed(self) -> None:
        """The database did not answer."""
        self._failed = True

    def disturbed(self, began_at: float, clock: float) -> bool:
        """Whether leases that have run out by ``clock`` may stand. ``began_at``: monotonic, when the look began."""
        now = time.monotonic()
        if self._failed or now - began_at > self._lease_s * _WAIT_SHARE or self._jumped(now, clock):
            self._patient_until = now + self._lease_s
        self._failed, self._last = False, (now, clock)
        return now < self._patient_until

    def _jumped(self, now: float, clock: float) -> bool:
        if self._last is None:
            return False
        passed_s = now - self._last[0]
        jump_s = abs(clock - self._last[1] - passed_s)
        paused = passed_s > max(self._lease_s, _LEAST_PAUSE_S)
        return paused or jump_s > max(self._lease_s * _JUMP_SHARE, _LEAST_JUMP_S)
