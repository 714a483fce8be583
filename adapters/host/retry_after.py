"""How long a server asks to be left alone: the ``Retry-After`` header, in seconds or as a date (RFC 9110, 10.2.3)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def retry_after_s(headers: Mapping[str, str], most_s: float) -> float | None:
    """Seconds from now, 0 to ``most_s``; ``None`` without the header, or where it makes no sense.

    ``headers``: by names in lower case, or in any case where the mapping does not mind.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text) if text[:1].isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), most_s) if math.isfinite(seconds) else None
