"""Removes what forgotten jobs made or brought, from this machine's folders and the blob store."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Container, Sequence
from pathlib import Path

from adapters.host.settings import Settings
from adapters.service.blobs.store import BlobStore
from adapters.service.store.leftovers import BLOB, Leftovers
from adapters.service.store.records import Leftover, OwnFile
from engine.encoded import digest_of
from engine.folders import contained
from engine.journal import paths_underway

_KEPT_S = 2 * 86_400.0  # in which every machine that has files of a job removes them
_log = logging.getLogger(__name__)


def remove_leftovers(leftovers: Leftovers, blobs: BlobStore, settings: Settings) -> int:
    """Remove every file that only forgotten jobs had and that still is what they wrote; how many, blobs included.

    Any number of machines may do it, each for its own folders. Raises ``BlobStoreUnavailable``.
    """
    removed, last = 0, 0
    while found := leftovers.after(last):
        last = found[-1].id
        removed += _remove_blobs(leftovers, blobs, [one for one in found if one.file.folder == BLOB])
        removed += _remove_files(leftovers, settings, [one for one in found if one.file.folder != BLOB])
    leftovers.expire(time.time() - _KEPT_S)
    return removed


def _remove_blobs(leftovers: Leftovers, blobs: BlobStore, found: Sequence[Leftover]) -> int:
    in_use = leftovers.digests_in_use({one.file.digest for one in found})
    ended_at: dict[str, float] = {}
    for one in found:
        ended_at[one.file.digest] = max(one.ended_at, ended_at.get(one.file.digest, 0.0))
    unused = {digest: at for digest, at in ended_at.items() if digest not in in_use and blobs.exists(digest)}
    removed = {digest for digest, at in unused.items() if blobs.discard(digest, at)}
    # One that was put again belongs to whoever did so, or to the sweep.
    leftovers.drop([one.id for one in found])
    return len(removed)


def _remove_files(leftovers: Leftovers, settings: Settings, found: Sequence[Leftover]) -> int:
    kept = leftovers.files_in_use(found)
    gone = {one.file for one in found} - kept
    if settings.retention_output == "kept":
        gone = {file for file in gone if file.folder != "output"}
    jobs = {one.job_id for one in found}
    underway = {space: paths_underway(settings.output / space, but=jobs) for space in {file.space for file in gone}}
    return sum(_remove(settings, file, underway[file.space]) for file in gone)


def _remove(settings: Settings, file: OwnFile, underway: Container[Path]) -> bool:
    """Whether it was removed. One that a running job gives out stays: the database does not know of that yet."""
    root = {"input": settings.input, "output": settings.output, "temp": settings.temp}[file.folder] / file.space
    path = contained(root, f"{file.subfolder}/{file.filename}" if file.subfolder else file.filename)
    return path is not None and path not in underway and _remove_own(root, path, file.digest)


def _remove_own(root: Path, path: Path, digest: str) -> bool:
    """Whether it was there, below ``root``, with the contents that the job gave it."""
    try:
        if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            return False
        if digest_of(path) != digest:
            return False
        os.unlink(path)
    except FileNotFoundError:
        return False  # Another process removed it.
    except OSError as error:
        _log.warning("a forgotten job's file is left: %s: %s", path, error.strerror)
        return False
    return True
