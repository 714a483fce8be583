"""Log lines, for people or as JSON for machines, each with the id of the job that it is about."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

from adapters.host.recent_logs import RECENT
from engine.errors import shortened

_MOST_MESSAGE, _MOST_TRACEBACK = 8_000, 32_000  # characters
LogFormat = Literal["text", "json"]
_job_id: ContextVar[str] = ContextVar("job_id", default="")


@contextmanager
def about_job(job_id: str) -> Iterator[None]:
    """What is logged inside the block is about that job."""
    token = _job_id.set(job_id)
    try:
        yield
    finally:
        _job_id.reset(token)


def set_up_logging(form: LogFormat, process: str) -> None:
    """Send the logs of this process to standard error. ``process``: what it is called in them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Subject(process))
    handler.setFormatter(_JsonLines() if form == "json" else _Text())
    RECENT.filters = handler.filters
    RECENT.setFormatter(handler.formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler, RECENT], force=True)
    # uvicorn would write each WebSocket's query, and the key that a browser put into it.
    for chatty in ("httpx", "httpcore", "PIL", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class _Subject(logging.Filter):
    """Puts process and job into the record, in the thread that logs."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def filter(self, record: logging.LogRecord) -> bool:
        record.role = self._process
        record.job_id = getattr(record, "job_id", "") or _job_id.get()
        return True


class _Bounded(logging.Formatter):
    """Says at most so much in one line: others' errors repeat whole inputs, and each frame's."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - of the standard library
        return shortened(super().formatException(ei), _MOST_TRACEBACK)


class _Text(_Bounded):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(role)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the standard library
        job_id = getattr(record, "job_id", "")
        return shortened(super().formatMessage(record), _MOST_MESSAGE) + (f" [job {job_id}]" if job_id else "")


class _JsonLines(_Bounded):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": getattr(record, "role", ""),
            "logger": record.name,
            "message": shortened(record.getMessage(), _MOST_MESSAGE),
        }
        if job_id := getattr(record, "job_id", ""):
            line["job_id"] = job_id
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
