"""Errors as documents for machines, the same at every door."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from adapters.host.paths import hide_paths
from adapters.host.plain import plain
from engine.errors import DagfusionError, GraphInvalid, shortened

_MOST_MESSAGE = 4000


def error_document(error: BaseException, *, paths: bool = False) -> dict[str, Any]:
    """``type``, ``message``, ``remedy``; ``problems`` of an invalid graph; node, class and input where known.

    An error that is not ours keeps its text; its traceback is for logs only. ``paths``: whoever is told sits at this
    machine, and may know where its files are.
    """
    document: dict[str, Any] = plain(_document(error))
    return document if paths else cast(dict[str, Any], hide_paths(document))


def _document(error: BaseException) -> dict[str, Any]:
    if not isinstance(error, DagfusionError):
        message = shortened(str(error), _MOST_MESSAGE) or type(error).__name__
        return {"type": type(error).__name__, "message": message, "remedy": ""}
    document: dict[str, Any] = {"type": type(error).__name__, "message": error.message, "remedy": error.remedy}
    if isinstance(error, GraphInvalid):
        document["problems"] = [asdict(problem) for problem in error.problems]
    for name in ("node_id", "class_type", "input", "inputs", "cause_type"):
        if getattr(error, name, None) is not None:
            document[name] = getattr(error, name)
    return document
