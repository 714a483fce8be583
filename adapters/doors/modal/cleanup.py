"""The daily cleanup: forgets old jobs and removes files that no job has."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

from adapters.doors.modal.archive import numbered
from adapters.host.settings import Settings
from adapters.service.maintenance import clean_up
from adapters.service.store import Store

_log = logging.getLogger(__name__)


def clean_volume(settings: Settings, archive: Path) -> tuple[int, int]:
    """Returns how many jobs, how many files. Commit the volume afterwards.

    With PostgreSQL, jobs are forgotten there. The SQLite database is in the API container, which forgets its jobs
    itself: here a copy of its last ``archive`` says which files are still needed.
    """
    if settings.database_url:
        return _clean(settings.database, settings)
    copies = numbered(archive)
    if not copies:
        _log.info("nothing to clean up: there was no job yet")
        return 0, 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "queue.sqlite")
        shutil.copyfile(copies[-1][1], copy)
        return _clean(f"sqlite:///{copy}", settings)


def _clean(database: str, settings: Settings) -> tuple[int, int]:
    store = Store(database)
    try:
        return clean_up(store, settings)
    finally:
        store.close()
