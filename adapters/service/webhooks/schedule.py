"""When to try again: exponential backoff with full jitter, up to a number of attempts."""

from __future__ import annotations

import random
from dataclasses import dataclass

from adapters.service.webhooks.attempt import Outcome


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """After attempt n, waits between 0 and ``first_s`` * 2^(n-1) seconds, at most ``cap_s``; dead after ``attempts``.

    Full jitter (Brooker, "Exponential Backoff and Jitter", 2015) spreads the messages that a receiver missed while it
    was down. The defaults give a receiver up to 11 hours.
    """

    first_s: float = 5.0
    cap_s: float = 6 * 3600.0
    attempts: int = 14

    def wait_s(self, made: int, outcome: Outcome) -> float | None:
        """Seconds until the next attempt after ``made`` of them; ``None``: there will be none."""
        if outcome.final or made >= self.attempts:
            return None
        longest_s = min(self.cap_s, self.first_s * 2.0 ** min(made - 1, 60))
        return max(random.uniform(0, longest_s), outcome.retry_after_s)  # noqa: S311 - no secret
