"""The cases by name, each in the module that declares it; a module is imported when its case is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from benchmarks.case import BenchCase
from engine.errors import DagfusionError
from engine.suggest import nearest

_MODULES = {
    "overhead": "benchmarks.overhead",
    "cold": "benchmarks.cold",
    "load": "benchmarks.load",
    "step": "benchmarks.step",
    "transformer": "benchmarks.transformer",
    "image": "benchmarks.image",
    "same": "benchmarks.same",
    "pipeline": "benchmarks.pipeline",
    "together": "benchmarks.together",
    "cache": "benchmarks.cache",
    "previews": "benchmarks.previews",
    "memory": "benchmarks.memory",
    "endurance": "benchmarks.endurance",
    "serve": "benchmarks.arrivals",
    "service": "benchmarks.serve",
}


def names() -> tuple[str, ...]:
    """The names of all cases."""
    return tuple(_MODULES)


def find(name: str) -> BenchCase:
    """The case of that name. Raises ``DagfusionError`` where there is none."""
    if name not in _MODULES:
        close = nearest(name, _MODULES)
        hint = f"did you mean {close}?" if close else f"there are: {', '.join(_MODULES)}"
        raise DagfusionError(f"there is no case '{name}'", remedy=hint)
    found = getattr(importlib.import_module(_MODULES[name]), name)
    assert isinstance(found, BenchCase)
    return found


def every() -> Iterator[BenchCase]:
    """All cases, in order."""
    return map(find, _MODULES)
