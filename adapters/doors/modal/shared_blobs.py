"""Blobs in a volume that other containers write to: what they committed becomes visible here when it is needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from typing import Protocol

from adapters.service.blobs.errors import BlobMissing, VolumeUnavailable
from adapters.service.blobs.store import BlobStore

_log = logging.getLogger(__name__)


class MountedVolume(Protocol):
    """A ``modal.Volume``, as far as it is used here."""

    def commit(self) -> None:
        """Make what was written visible to other containers."""

    def reload(self) -> None:
        """Make what others committed visible here. Raises where files of the volume are open."""

    def read_file(self, path: str) -> Iterator[bytes]:
        """A committed file, over the network: works whatever is visible here."""
        ...


class SharedBlobs:
    """``folder``: where the blobs are in the volume. Without a volume (blobs on S3) all are visible at once."""

    def __init__(self, blobs: BlobStore, volume: MountedVolume | None, folder: str = "blobs") -> None:
        self.blobs, self._volume, self._folder = blobs, volume, folder
        self._lock = threading.Lock()

    def see(self, digests: Iterable[str]) -> None:
        """Return when all of them can be read here. Raises ``VolumeUnavailable`` where they cannot."""
        volume = self._volume
        if volume is None or not (missing := self._missing(digests)):
            return
        with self._lock:
            if missing := self._missing(missing):
                self._reload(volume)
            for digest in self._missing(missing):
                self._fetch(volume, digest)

    def _missing(self, digests: Iterable[str]) -> list[str]:
        return [digest for digest in digests if not self.blobs.exists(digest)]

    def _reload(self, volume: MountedVolume) -> None:
        try:
            volume.reload()
        except Exception as error:  # noqa: BLE001 - a download or another job has a file open; the SDK raises many kinds
            _log.info("the volume is not reloaded (%s); files are fetched one by one", error)

    def _fetch(self, volume: MountedVolume, digest: str) -> None:
        try:
            found = self.blobs.put_stream(volume.read_file(f"{self._folder}/{digest[:2]}/{digest}"))
        except Exception as error:
            raise VolumeUnavailable(f"the file {digest[:12]} of the job is not in the volume: {error}") from error
        if found.digest != digest:
            raise BlobMissing(f"the volume's file {digest[:12]} is damaged", remedy="submit the job again")
