"""What a job needs that not every worker has: node classes and model files which do not come with the program."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from adapters.service.named_models import named_models
from adapters.service.store.records import WorkerRecord
from engine.folders import Folders
from engine.registry import Registry

_CLASS, _MODEL = "node class", "model"
_LOOK_AGAIN_S = 1.0  # files come and go
_REMEMBERED = 1000  # lacks that are told
_log = logging.getLogger(__name__)


def needs_of(prompt: Mapping[str, Any], registry: Registry, folders: Folders) -> tuple[str, ...]:
    """What the nodes of ``prompt`` (API form) need, a line each, sorted."""
    own = registry.own()
    used = {node["class_type"] for node in prompt.values()} & own
    models = {name for name, path in named_models(prompt, registry, folders) if not folders.is_shipped(path)}
    return tuple(sorted({f"{_CLASS} {name}" for name in used} | {f"{_MODEL} {name}" for name in models}))


def unmet(needs_digest: str, workers: Iterable[WorkerRecord]) -> list[str]:
    """What keeps all of these workers from a job with such needs; nothing where one may run it, or none is ready."""
    lacks = [one.info.get("lacks", {}).get(needs_digest, ()) for one in workers if one.state == "ready"]
    return sorted({need for lacking in lacks for need in lacking}) if all(lacks) else []


class Abilities:
    """What one worker has. An answer holds for a second, so that a queue of thousands is asked for quickly.

    ``missed`` is called when a job turns up that needs what is not here.
    """

    def __init__(
        self,
        registry: Registry,
        folders: Folders,
        missed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own, self._folders, self._missed, self._clock = registry.own(), folders, missed, clock
        self._told: set[tuple[str, ...]] = set()
        self._classes = hashlib.sha256("\n".join(sorted(registry)).encode()).hexdigest()[:32]
        self._known: dict[tuple[str, ...], tuple[float, tuple[str, ...]]] = {}

    def lacking(self, needs: Sequence[str]) -> tuple[str, ...]:
        """Those of ``needs`` that are not here."""
        now, asked = self._clock(), tuple(needs)
        looked_at, lacking = self._known.get(asked, (-_LOOK_AGAIN_S, ()))
        if now < looked_at + _LOOK_AGAIN_S:
            return lacking
        lacking = tuple(need for need in asked if not self._has(need))
        self._known = {key: one for key, one in self._known.items() if now < one[0] + _LOOK_AGAIN_S}
        self._known[asked] = (now, lacking)
        return lacking

    def can(self, needs: Sequence[str]) -> bool:
        """Whether all of it is here."""
        lacking = self.lacking(needs)
        if lacking and tuple(needs) not in self._told:
            if len(self._told) >= _REMEMBERED:
                self._told.clear()
            self._told.add(tuple(needs))
            _log.warning("a waiting job needs what this worker does not have: %s", ", ".join(lacking))
            self._missed()
        return not lacking

    def about(self, waiting: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """For the worker's row: a digest of all its classes, those that do not come with the program, and what it lacks
        for jobs that wait, by the digest of their needs.
        """
        lacks = {digest: list(found) for digest, needs in waiting.items() if (found := self.lacking(needs))}
        return {"classes": self._classes, "own_classes": sorted(self._own), "lacks": lacks}

    def _has(self, need: str) -> bool:
        if need.startswith(f"{_CLASS} "):
            return need.removeprefix(f"{_CLASS} ") in self._own
        kind, _, name = need.removeprefix(f"{_MODEL} ").partition("/")
        return self._folders.found(kind, name) is not None
