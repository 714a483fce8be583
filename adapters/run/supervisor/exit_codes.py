"""Exit codes by which a child tells the supervisor why it ended."""

from __future__ import annotations

STUCK = 75  # a node did not stop
WRONG_SETTING = 78  # as in sysexits.h: starting it again will not help
