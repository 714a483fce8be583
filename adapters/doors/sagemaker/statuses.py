"""SageMaker's column of the error table: whose fault an error is, as a status.

SageMaker hands status and body on to the caller (``OriginalStatusCode`` of its ModelError), and counts 5xx as faults of
the container.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.service.error_table import row_named

_OURS = frozenset({"internal-error", "node-failed", "time-limit", "manifest-unmet", "out-of-memory"})


def status_of(document: Mapping[str, object]) -> int:
    """Of an error document: 503 where the same may work later, 500 for faults of this side, else 400."""
    row = row_named(str(document.get("type", "")))
    if row.code in _OURS:
        return 500
    return 503 if row.retry else 400
