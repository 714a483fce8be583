"""The last lines that this process has logged, for those who look at them from afar."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

Line = dict[str, str]
"""Time (ISO 8601, UTC) and text of a line, as ComfyUI's clients know them: ``t`` and ``m``."""
_MOST_LINES = 300


class RecentLogs(logging.Handler):
    """Keeps the last 300 lines, in the form that the logs have.

    ``listeners`` are called with every further line, in the thread that logs; they return quickly and log nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[Line] = deque(maxlen=_MOST_LINES)
        self.listeners: set[Callable[[Line], None]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, and pass it on."""
        line = {"t": datetime.fromtimestamp(record.created, UTC).isoformat(), "m": f"{self.format(record)}\n"}
        self._lines.append(line)
        for listener in tuple(self.listeners):
            listener(line)

    def entries(self) -> list[Line]:
        """The lines that are kept, in order."""
        return list(self._lines)


RECENT = RecentLogs()
