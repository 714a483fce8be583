"""Everything that a run's output nodes made, as the job's outputs: files and large values are blobs, the rest data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
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


def collect(result: RunResult, folders: Folders, blobs: BlobStore) -> list[Output]:
    """The outputs of all nodes, cached ones too, in the workflow's order.

    Raises ``DagfusionError`` where a file that a node put into a folder itself has vanished since.
    """
    names: set[str] = set()
    return [
        _output(_unique(f"{node.node_id}_{kind}_{place}", item, names), node, kind, item, folders, blobs)
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


def _output(name: str, node: NodeResult, kind: str, item: Any, folders: Folders, blobs: BlobStore) -> Output:
    if not isinstance(item, SavedFile):
        output = Output(name=name, node_id=node.node_id, class_type=node.class_type, kind=kind, cached=node.cached)
        if not isinstance(item, Boxed):
            return replace(output, data=item)
        digest = blobs.put_bytes(item.contents).digest
        return replace(output, media_type=item.media_type, size_bytes=len(item.contents), digest=digest)
    item = _stored(item, node, folders, blobs)
    return Output(
        name=name,
        node_id=node.node_id,
        class_type=node.class_type,
        kind=kind,
        cached=node.cached,
        media_type=item.media_type,
        size_bytes=item.size_bytes,
        digest=item.digest,
        folder=item.folder,
        subfolder=item.subfolder,
        filename=item.filename,
    )


def _stored(item: SavedFile, node: NodeResult, folders: Folders, blobs: BlobStore) -> SavedFile:
    """The file as the engine stored it; one that a node put into a folder itself is stored now."""
    if item.digest:
        return item
    try:
        blob = blobs.put_file(folders.path_of(item))
    except OSError as error:
        raise DagfusionError(
            f"output file '{item.filename}' of node {node.node_id} cannot be read: {error.strerror or error}",
            remedy="let nothing else clear the output folder",
        ) from error
    return replace(item, digest=blob.digest, size_bytes=blob.size_bytes)
