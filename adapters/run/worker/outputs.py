"""Everything that a run's output nodes made, as the job's outputs: files and large values are blobs, the rest data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapters.host.plain import plain
from adapters.run.worker.large_values import Boxed, boxed
from adapters.service.blobs.store import BlobStore
from adapters.service.store.records import Output
from engine.errors import DagfusionError
from engine.folders import Folders
from engine.result import NodeResult, RunResult
from engine.types import SavedFile

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_SUFFIX = 12
_CLOCK_S = 1.0  # what a file system's clock may be behind


def collect(result: RunResult, folders: Folders, blobs: BlobStore, since: float) -> list[Output]:
    """The outputs of all nodes, cached ones too, in the workflow's order.

    A file that the engine did not write counts as found where it is no output, or was changed last before ``since``
    (Unix seconds), when the run began: a node may show what somebody else put there.

    Raises ``DagfusionError`` where a file that a node put into a folder itself has vanished since.
    """
    names: set[str] = set()
    keep = _Keeper(folders, blobs, since)
    return [
        _output(_unique(f"{node.node_id}_{kind}_{place}", item, names), node, kind, item, keep)
        for node, kind, place, item in _items(result)
    ]


def _items(result: RunResult) -> Iterator[tuple[NodeResult, str, int, Any]]:
    for node in result.outputs.values():
        for kind, items in node.shown.items():
            for place, item in enumerate(items):
                yield node, kind, place, item if isinstance(item, SavedFile) else boxed(plain(item))


def _unique(stem: str, item: object, names: set[str]) -> str:
    suffix = Path(item.filename).suffix if isinstance(item, SavedFile) else getattr(item, "suffix", "")
    suffix = _UNSAFE.sub("", suffix)[:_MAX_SUFFIX]
    stem = _UNSAFE.sub("-", stem)[:200]
    name, number = stem + suffix, 2
    while name in names:
        name, number = f"{stem}-{number}{suffix}", number + 1
    names.add(name)
    return name


def _output(name: str, node: NodeResult, kind: str, item: Any, keep: _Keeper) -> Output:
    output = Output(name=name, node_id=node.node_id, class_type=node.class_type, kind=kind, cached=node.cached)
    if isinstance(item, SavedFile):
        return keep.file(output, item)
    if not isinstance(item, Boxed):
        return replace(output, data=item)
    digest = keep.blobs.put_bytes(item.contents).digest
    return replace(output, media_type=item.media_type, size_bytes=len(item.contents), digest=digest)


@dataclass(frozen=True, slots=True)
class _Keeper:
    folders: Folders
    blobs: BlobStore
    since: float

    def file(self, output: Output, item: SavedFile) -> Output:
        """The file as the engine stored it; one that a node put into a folder itself, or found there, is stored now."""
        found = not item.digest and self._was_there(item)
        item = item if item.digest else self._stored(item, output.node_id)
        return replace(
            output,
            media_type=item.media_type,
            size_bytes=item.size_bytes,
            digest=item.digest,
            folder=item.folder,
            subfolder=item.subfolder,
            filename=item.filename,
            found=found,
        )

    def _stored(self, item: SavedFile, node_id: str) -> SavedFile:
        try:
            blob = self.blobs.put_file(self.folders.path_of(item))
        except OSError as error:
            raise DagfusionError(
                f"output file '{item.filename}' of node {node_id} cannot be read: {error.strerror or error}",
                remedy="let nothing else clear the output folder",
            ) from error
        return replace(item, digest=blob.digest, size_bytes=blob.size_bytes)

    def _was_there(self, item: SavedFile) -> bool:
        with suppress(OSError):  # told when it is read
            changed_at = self.folders.path_of(item).stat().st_mtime
            return item.folder == "input" or changed_at < self.since - _CLOCK_S
        return True
