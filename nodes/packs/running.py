"""The run that a pack's code is part of: what ComfyUI keeps in globals, packs find here."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import DagfusionError
from engine.folders import Folders

if TYPE_CHECKING:
    from engine.context import Context
    from engine.schema import NodeSpec


@dataclass(slots=True)
class _Host:
    """What packs are told where no run is. ``computes``: packs are imported in this process."""

    models: Folders = field(default_factory=Folders)
    registry: Mapping[str, NodeSpec] = field(default_factory=dict)
    computes: bool = False


_host = _Host()
# Of a thread, or of a task of asynchronous classes: its run, and the folders that stand in for the run's.
_run: ContextVar[Context | None] = ContextVar("run", default=None)
_apart: ContextVar[Folders | None] = ContextVar("apart", default=None)
_present: list[Context] = []
_pack_folders: list[str] = []


def serve(folders: Folders, registry: Mapping[str, NodeSpec]) -> None:
    """From now on, packs find these models and these classes: their classes run in this process."""
    _host.models, _host.registry, _host.computes = folders, registry, True


def computes() -> bool:
    """Whether this process imports packs. Those that only take and check workflows do not."""
    return _host.computes


@contextmanager
def running(ctx: Context) -> Iterator[None]:
    """Let the pack's code of this thread or task find ``ctx``."""
    token = _run.set(ctx)
    _present.append(ctx)
    try:
        yield
    finally:
        _present.remove(ctx)
        _run.reset(token)


@contextmanager
def apart(folders: Folders) -> Iterator[None]:
    """Let this thread find ``folders``; of one tenant's among several only the models, since others come after."""
    own = _models_of(folders) if folders.space else folders
    token = _apart.set(own)
    try:
        yield
    finally:
        _apart.reset(token)


def context_or_none() -> Context | None:
    """The run of this thread. In a thread that a pack has started, the run that is under way, if it is the only one."""
    if (found := _run.get()) is not None:
        return found
    present = list(_present)
    return present[0] if present and all(one is present[0] for one in present) else None


def context() -> Context:
    """The run of this thread. Raises ``DagfusionError`` where it is not known."""
    found = context_or_none()
    if found is None:
        raise DagfusionError(
            "a pack computes where it is not known for which run",
            remedy="let it compute in its nodes' own functions, or run one job at a time",
        )
    return found


def folders() -> Folders:
    """The run's folders; where no run is, the models, and empty folders of nobody's."""
    if (own := _apart.get()) is not None:
        return own
    found = context_or_none()
    return _models_of(_host.models) if found is None else found.folders


def classes() -> Mapping[str, NodeSpec]:
    """All node classes by name."""
    return _host.registry


def add_pack_folder(folder: Path) -> None:
    """Let packs know where packs lie."""
    if str(folder) not in _pack_folders:
        _pack_folders.append(str(folder))


def pack_folders() -> list[str]:
    """Where packs lie that were imported."""
    return list(_pack_folders)


class _Scratch:
    """A folder that goes with the process."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="dagfusion-packs-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@cache
def _scratch() -> _Scratch:
    return _Scratch()


def _models_of(folders: Folders) -> Folders:
    """The same models, with input, output and temp folders that no run reads or writes."""
    own = [_scratch().path / name for name in ("input", "output", "temp")]
    for path in own:
        path.mkdir(exist_ok=True)
    return replace(folders, input=own[0], output=own[1], temp=own[2], shared=None, space="")
