"""What a graph is and how it runs. No node and no door lives here.

``from engine import Engine, Workflow`` is all that most programs need; each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.context import CancelToken as CancelToken
    from engine.context import Context as Context
    from engine.engine import Engine as Engine
    from engine.errors import DagfusionError as DagfusionError
    from engine.events import EventLog as EventLog
    from engine.folders import Folders as Folders
    from engine.registry import Registry as Registry
    from engine.registry import node as node
    from engine.result import NodeResult as NodeResult
    from engine.result import RunResult as RunResult
    from engine.workflow import Workflow as Workflow

_HOMES = {
    "CancelToken": "context",
    "Context": "context",
    "DagfusionError": "errors",
    "Engine": "engine",
    "EventLog": "events",
    "Folders": "folders",
    "NodeResult": "result",
    "Registry": "registry",
    "RunResult": "result",
    "Workflow": "workflow",
    "node": "registry",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'engine' has no attribute '{name}'")
    return getattr(importlib.import_module(f"engine.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
