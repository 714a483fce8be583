"""Frees memory between jobs when clients ask for it: loaded networks, or cached outputs of earlier runs."""

from __future__ import annotations

import gc
import logging
import sys

from sqlalchemy.exc import SQLAlchemyError

from adapters.service.store import Store
from adapters.service.store.outage import report_outage
from adapters.service.store.workers import FREE_CACHE, FREE_MODELS
from engine.engine import Engine

_log = logging.getLogger(__name__)


class FreeRequests:
    """Ignores requests that were made before this worker started."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store, self._engine = store, engine
        self._fulfilled = store.workers.asked()

    def fulfil(self) -> None:
        """Do what was asked for since the last time. Nothing may be running in the engine."""
        try:
            asked = self._store.workers.asked()
        except SQLAlchemyError as error:
            report_outage(_log, error, "whether memory is to be freed is not known")
            return
        new = {kind for kind, count in asked.items() if count > self._fulfilled.get(kind, 0)}
        self._fulfilled = asked
        if FREE_CACHE in new:
            self._engine.cache.clear()
        if FREE_MODELS in new:
            self._engine.models.free()
        if new:
            gc.collect()
            torch = sys.modules["torch"]
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()
            _log.info("freed memory, as was asked for")
