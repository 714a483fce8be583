"""How many requests each key, or each address without one, may make."""

from __future__ import annotations

import math
import time
from functools import lru_cache

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from adapters.service.errors import RateLimited, RequestInvalid


class Rates:
    """Counts requests in this process. ``default``: ``60/minute`` and the like; empty for no limit."""

    def __init__(self, default: str) -> None:
        self._default = parse_rate(default) if default else None
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, who: str, own: str | None) -> dict[str, str]:
        """Count one request of ``who``, whose limit is ``own`` or the default: the headers that tell of it.

        Raises ``RateLimited`` for one too many.
        """
        rate = parse_rate(own) if own else self._default
        if rate is None:
            return {}
        allowed = self._limiter.hit(rate, who)
        window = self._limiter.get_window_stats(rate, who)
        reset_s = max(1, math.ceil(window.reset_time - time.time()))
        headers = {
            "RateLimit-Limit": str(rate.amount),
            "RateLimit-Remaining": str(max(0, window.remaining)),
            "RateLimit-Reset": str(reset_s),
        }
        if not allowed:
            raise RateLimited(
                f"more than {rate.amount} requests in {rate.get_expiry()} s",
                remedy=f"try again in {reset_s} s",
                retry_after_s=reset_s,
                headers=headers,
            )
        return headers


@lru_cache(maxsize=256)
def parse_rate(text: str) -> RateLimitItem:
    """``60/minute``, ``10 per second``. Raises ``RequestInvalid``."""
    try:
        return parse(text)
    except ValueError as error:
        raise RequestInvalid(f"'{text}' is no rate", remedy="write it as in 60/minute") from error
