"""Prepares a machine for its work, with retries; an error that remains is kept and reported to those who wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from adapters.service.error_table import public_document
from engine.errors import DagfusionError

TRIES = 3
_log = logging.getLogger(__name__)


def failure_of(act: Callable[[], object], phase: str, pause_s: float = 2.0) -> dict[str, Any] | None:
    """Do it, up to three times. The error document of the last failure, with the ``phase``; ``None`` once it is done.

    It is for machines that a platform would start over and over if they raised, while nobody hears why. ``pause_s``:
    before it is tried again.
    """
    for tries in range(1, TRIES + 1):
        started_at = time.monotonic()
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            unexpected = None if isinstance(error, DagfusionError) else error
            _log.warning("phase '%s' failed (%d of %d): %s", phase, tries, TRIES, error, exc_info=unexpected)
            failure = {**public_document(error), "phase": phase, "tries": tries}
            if tries < TRIES:
                time.sleep(pause_s)
        else:
            _log.info("phase '%s' done in %.1f s", phase, time.monotonic() - started_at)
            return None
    return failure
