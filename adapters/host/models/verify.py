"""Compares the model files that are here with a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from adapters.host.models.contents import hash_of
from adapters.host.models.document import Model
from adapters.host.models.places import Places, remember_hash

State = Literal["ok", "missing", "size_wrong", "hash_wrong", "unreadable"]
REMEDIES = {
    "missing": "dagfusion models pull",
    "size_wrong": "dagfusion models pull --replace",
    "hash_wrong": "dagfusion models pull --replace",
    "unreadable": "check the file's permissions and its disk",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one model's file. ``path`` is ``None`` where there is none."""

    model: Model
    state: State
    path: Path | None = None


def verify(
    models: Sequence[Model], places: Places, *, jobs: int = 4, heard: Callable[[Verdict], None] | None = None
) -> list[Verdict]:
    """Read every file and compare its hash; nothing that was remembered counts. ``heard`` is told of each at once."""

    def judge(model: Model) -> Verdict:
        verdict = _judge(model, places, deeply=True)
        if heard:
            heard(verdict)
        return verdict

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(judge, models))


def survey(models: Sequence[Model], places: Places) -> list[Verdict]:
    """The same by presence and size alone: quick, and blind to damage."""
    return list(map(partial(_judge, places=places, deeply=False), models))


def _judge(model: Model, places: Places, *, deeply: bool) -> Verdict:
    path = places.find(model)
    if path is None:
        return Verdict(model, "missing")
    try:
        if path.stat().st_size != model.size_bytes:
            return Verdict(model, "size_wrong", path)
        if deeply:
            found = hash_of(path)
            remember_hash(path, found)  # right or wrong: the next pull must know of damage that size and time hide
            if found != model.sha256.lower():
                return Verdict(model, "hash_wrong", path)
    except OSError:
        return Verdict(model, "unreadable", path)
    return Verdict(model, "ok", path)
