"""Compares the model files that are here with a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from adapters.host.models.contents import hash_of
from adapters.host.models.document import ListedModel
from adapters.host.models.places import Places, remember_hash

State = Literal["ok", "missing", "size_wrong", "hash_wrong", "unreadable"]
REMEDIES = {
    "missing": "dagfusion models pull",
    "size_wrong": "dagfusion models pull --replace",
    "hash_wrong": "dagfusion models pull --replace",
    "unreadable": "check the file's permissions and its disk",
}


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What is to be said of one model's file. ``path`` is ``None`` where there is none."""

    model: ListedModel
    state: State
    path: Path | None = None


def verify(
    models: Sequence[ListedModel], places: Places, *, jobs: int = 4, heard: Callable[[FileCheck], None] | None = None
) -> list[FileCheck]:
    """Read every file and compare its hash; nothing that was remembered counts. ``heard`` is told of each at once."""

    def judge(model: ListedModel) -> FileCheck:
        verdict = _judge(model, places, deeply=True)
        if heard:
            heard(verdict)
        return verdict

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(judge, models))


def survey(models: Sequence[ListedModel], places: Places) -> list[FileCheck]:
    """The same by presence and size alone: quick, and blind to damage."""
    return list(map(partial(_judge, places=places, deeply=False), models))


def _judge(model: ListedModel, places: Places, *, deeply: bool) -> FileCheck:
    path = places.find(model)
    if path is None:
        return FileCheck(model, "missing")
    try:
        if path.stat().st_size != model.size_bytes:
            return FileCheck(model, "size_wrong", path)
        if deeply:
            found = hash_of(path)
            remember_hash(path, found)  # right or wrong: the next pull must know of damage that size and time hide
            if found != model.sha256.lower():
                return FileCheck(model, "hash_wrong", path)
    except OSError:
        return FileCheck(model, "unreadable", path)
    return FileCheck(model, "ok", path)
