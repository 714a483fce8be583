"""Whether a lease that ran out tells of a worker's silence, or of a time in which nobody could have renewed it."""

from __future__ import annotations

import time

_WAIT_SHARE = 1 / 2  # of a lease: who waited so long for the database's turn, so may have those who renew
_JUMP_SHARE = 1 / 3  # of a lease: renewals come as often, so a smaller jump of the clock takes none away
_LEAST_JUMP_S = 1.0  # what two clocks can be apart in reading them, on a busy machine
_LEAST_PAUSE_S = 5.0  # a pause between looks that is none of a busy machine's


class Steadiness:
    """Looks are to be told of: when each began and what the database's clock said then, or that it failed.

    After a look that failed, waited long, came after a pause, or at which the clock had jumped, leases are not taken
    back for the length of one: so long, those who live have to renew them.
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
