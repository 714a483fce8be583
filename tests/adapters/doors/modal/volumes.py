"""A volume of Modal's, played with folders: what one mount commits, another sees after its reload, and not before."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path


class FolderVolume:
    """One container's mount at ``mount`` of the volume whose committed files are in ``cloud``."""

    def __init__(self, mount: Path, cloud: Path) -> None:
        self.mount, self.cloud = mount, cloud
        self.commits = self.reloads = 0
        self.open_files = False
        self.broken: Exception | None = None
        self._lock = threading.Lock()
        for folder in (mount, cloud):
            folder.mkdir(parents=True, exist_ok=True)

    def commit(self) -> None:
        with self._lock:
            if self.broken is not None:
                raise self.broken
            self.commits += 1
            _copy(self.mount, self.cloud)

    def reload(self) -> None:
        with self._lock:
            if self.open_files:
                raise RuntimeError("there are open files preventing the operation")
            self.reloads += 1
            _copy(self.cloud, self.mount)

    def read_file(self, path: str) -> Iterator[bytes]:
        yield (self.cloud / path).read_bytes()


def _copy(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        to = target / path.relative_to(source)
        # Blobs never change; the copies of the queue are written anew.
        if path.is_file() and not path.name.endswith(".part") and (not to.exists() or path.suffix == ".sqlite"):
            to.parent.mkdir(parents=True, exist_ok=True)
            part = to.with_name(f".{to.name}.part")
            shutil.copyfile(path, part)
            part.replace(to)
