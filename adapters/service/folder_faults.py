"""Whether the folders that the service writes to are there and can be written to, found out before it is too late."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from adapters.host.settings import Settings
from adapters.service.blobs.errors import BlobStoreUnavailable
from adapters.service.blobs.identity import FolderIdentity
from adapters.service.blobs.store import BlobStore
from adapters.service.errors import FolderUnavailable
from adapters.service.store import Store
from adapters.service.store.errors import DatabaseGone
from adapters.service.store.outage import reason_of

_log = logging.getLogger(__name__)
_FRESH_S = 1.0  # for so long one look is good for all who ask
_REMEDY = "put it back or make it writable; what was kept there before may need the service to be started again"


class FolderFaults:
    """Looks when it is asked, at most once a second. ``folders``: those that must be writable, by what they are called.

    SQLite's file and a local folder of blobs are looked at in any case.
    """

    def __init__(self, store: Store, blobs: BlobStore, folders: Mapping[str, Path] | None = None) -> None:
        self._looks: list[Callable[[], str]] = [partial(_database, store)]
        if blobs.folder is not None:
            self._looks.append(partial(_blobs, blobs.folder, FolderIdentity(blobs.folder)))
        self._looks += [partial(_folder, name, path) for name, path in (folders or {}).items()]
        self._lock = threading.Lock()
        self._found: tuple[str, ...] = ()
        self._looked_at = -_FRESH_S

    def found(self) -> tuple[str, ...]:
        """What is wrong, a line each."""
        with self._lock:
            if time.monotonic() >= self._looked_at + _FRESH_S:
                found = tuple(fault for look in self._looks if (fault := look()))
                _tell(found, self._found)
                self._found = found
                self._looked_at = time.monotonic()
            return self._found

    def refuse(self) -> None:
        """Raise ``FolderUnavailable`` where something is wrong: what is taken now could not be kept, or not be done."""
        faults = self.found()
        if faults:
            raise FolderUnavailable("; ".join(faults), remedy=_REMEDY)


def _tell(found: tuple[str, ...], before: tuple[str, ...]) -> None:
    for fault in found:
        if fault not in before:
            _log.error("%s; nothing is taken until that is mended", fault)
    if before and not found:
        _log.info("all folders can be written to again")


def run_folders(settings: Settings) -> dict[str, Path]:
    """Those that jobs write to."""
    return {"output folder": settings.output.absolute(), "temp folder": settings.temp.absolute()}


def _database(store: Store) -> str:
    try:
        store.database.check_file()
    except DatabaseGone as error:
        return reason_of(error)
    folder = store.database.folder
    return "" if folder is None else unwritable("data folder", folder)


def _blobs(folder: Path, identity: FolderIdentity) -> str:
    try:
        identity.check()
    except BlobStoreUnavailable as error:
        return error.message
    return unwritable("folder of the blobs", folder)


def _folder(name: str, path: Path) -> str:
    try:
        path.mkdir(parents=True, exist_ok=True)  # Whoever writes there would make it as well.
    except OSError as error:
        return f"the {name} cannot be made: {error.strerror or type(error).__name__}"
    return unwritable(name, path)


def unwritable(name: str, path: Path) -> str:
    """Why no file can be made in the folder, in a line; empty where one can."""
    try:
        tempfile.TemporaryFile(dir=path).close()  # Where the file system can do that, without a name.
    except FileNotFoundError:
        return f"the {name} is not there"
    except OSError as error:
        return f"the {name} cannot be written to: {error.strerror or type(error).__name__}"
    return ""
