"""Makes records for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.record import Machine, Record

MACHINE = Machine(cpu="Example 9000", cores=4, ram_gib=32.0)
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def record(samples: Sequence[float], **more: Any) -> Record:
    """A record of the case `overhead` with these samples."""
    given: dict[str, Any] = {
        "case": "overhead",
        "metric": "engine",
        "parameters": {"shape": "chain", "nodes": 400, "run": "fresh"},
        "unit": "ms",
        "machine": MACHINE,
        "versions": {"torch": "2.13.0", "diffusers": "0.42.1"},
        "date": WHEN,
    }
    return Record(samples=list(samples), **{**given, **more})
