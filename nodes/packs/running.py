"""The run that a pack's code is part of: what ComfyUI keeps in globals, packs find here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import DagfusionError
from engine.folders import Folders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.context import Context
    from engine.schema import NodeSpec


@dataclass(slots=True)
class _Host:
    """What packs are told where no run is: while they are imported, or in threads of their own."""

    folders: Folders
    registry: Mapping[str, NodeSpec]


_host = _Host(Folders(), {})
_here = threading.local()
_pack_folders: list[str] = []


def serve(folders: Folders, registry: Mapping[str, NodeSpec]) -> None:
    """From now on, packs find these folders and these classes."""
    _host.folders, _host.registry = folders, registry


@contextmanager
def running(ctx: Context) -> Iterator[None]:
    """Let the pack's code of this thread find ``ctx``."""
    before = getattr(_here, "ctx", None)
    _here.ctx = ctx
    try:
        yield
    finally:
        _here.ctx = before


def context_or_none() -> Context | None:
    """The run of this thread, if there is one."""
    found: Context | None = getattr(_here, "ctx", None)
    return found


def context() -> Context:
    """The run of this thread. Raises ``DagfusionError`` where there is none."""
    found = context_or_none()
    if found is None:
        raise DagfusionError(
            "a pack computes outside of a run", remedy="let it compute in its nodes' own functions and threads"
        )
    return found


def folders() -> Folders:
    """The run's folders, or the service's where no run is."""
    found = context_or_none()
    return _host.folders if found is None else found.folders


def add_pack_folder(folder: Path) -> None:
    """Let packs know where packs lie."""
    if str(folder) not in _pack_folders:
        _pack_folders.append(str(folder))


def pack_folders() -> list[str]:
    """Where packs lie that were imported."""
    return list(_pack_folders)


def classes() -> Mapping[str, Any]:
    """All node classes by name."""
    return _host.registry
