"""The last lines that this process has logged, for those who look at them from afar."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime

_MOST_LINES = 300


class RecentLogs(logging.Handler):
    """Keeps the last 300 lines, in the form that the logs have."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[tuple[float, str]] = deque(maxlen=_MOST_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        self._lines.append((record.created, self.format(record)))

    def entries(self) -> list[dict[str, str]]:
        """Time (ISO 8601, UTC) and line of each, as ComfyUI's clients know them: ``t`` and ``m``."""
        return [
            {"t": datetime.fromtimestamp(time, UTC).isoformat(), "m": f"{line}\n"} for time, line in list(self._lines)
        ]


RECENT = RecentLogs()
