"""Finds the workflow in what people send: bare, or inside ``{"input": {"workflow": ...}}``, ``{"prompt": ...}`` ..."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import WorkflowUnreadable
from engine.strict_json import parse_json

_MAX_WRAPPERS = 6
_MAX_OBJECTS = 10_000
_USUAL_NAMES = ("prompt", "output", "workflow", "input", "api", "workflow_api")


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A workflow's JSON, which form it has (``api`` or ``ui``), and what else goes into pictures."""

    document: Mapping[str, Any]
    form: str
    extra_pnginfo: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Wrapped:
    value: Mapping[str, Any]
    name: str
    wrapper: _Wrapped | None


def unwrap(document: Mapping[str, Any], what: str) -> Found:
    """The outermost workflow in ``document``; of an API and a UI form side by side, the API form.

    Raises ``WorkflowUnreadable`` where there is none, or where several could be meant.
    """
    level = [_Wrapped(document, "", None)]
    visited = 0
    for _ in range(_MAX_WRAPPERS):
        for form, is_form in (("api", is_api), ("ui", is_ui)):
            candidates = [entry for entry in level if is_form(entry.value)]
            if candidates:
                chosen = _the_one(candidates, what)
                return Found(chosen.value, form, _extra_pnginfo(chosen))
        level = [inside for entry in level for inside in _inside(entry)]
        visited += len(level)
        if visited > _MAX_OBJECTS:
            break
    raise WorkflowUnreadable(
        f"{what} is JSON, but holds no ComfyUI workflow",
        remedy='API form is {"1": {"class_type": ..., "inputs": ...}}, UI form has "nodes" and "links"',
    )


def is_api(document: Mapping[str, Any]) -> bool:
    """Whether any member is a node in API form."""
    return any(isinstance(value, dict) and "class_type" in value for value in document.values())


def is_ui(document: Mapping[str, Any]) -> bool:
    """Whether it is a graph as the front end saves it."""
    nodes = document.get("nodes")
    return isinstance(nodes, list) and ("links" in document or all(isinstance(n, dict) and "type" in n for n in nodes))


def _the_one(candidates: list[_Wrapped], what: str) -> _Wrapped:
    for name in _USUAL_NAMES:
        usual = [entry for entry in candidates if entry.name == name]
        if len(usual) == 1:
            return usual[0]
    if len(candidates) > 1:
        names = ", ".join(f"'{entry.name}'" for entry in candidates[:5])
        raise WorkflowUnreadable(f"{what} holds {len(candidates)} workflows ({names})", remedy="keep one of them")
    return candidates[0]


def _inside(entry: _Wrapped) -> Iterator[_Wrapped]:
    for name, value in entry.value.items():
        # Queue and history entries are lists: number, id, prompt, extra data, outputs.
        for item in value if isinstance(value, list) else (value,):
            inner = _parsed(item) if isinstance(item, str) and name in _USUAL_NAMES else item
            if isinstance(inner, dict):
                yield _Wrapped(inner, name, entry)


def _parsed(text: str) -> Any:
    """A workflow that was put into the JSON as a text; a text that is none stays a text."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        return parse_json(text, "the workflow text inside the JSON")
    except WorkflowUnreadable:
        return text


def _extra_pnginfo(chosen: _Wrapped) -> Mapping[str, Any]:
    """What the wrappers around the workflow say shall go into pictures with it."""
    wrapper = chosen.wrapper
    while wrapper is not None:
        extra_data = wrapper.value.get("extra_data")
        for holder in (extra_data if isinstance(extra_data, dict) else {}, wrapper.value):
            if isinstance(holder.get("extra_pnginfo"), dict):
                return dict(holder["extra_pnginfo"])
        beside = wrapper.value.get("workflow")
        if isinstance(beside, dict) and beside is not chosen.value and is_ui(beside):
            return {"workflow": beside}
        wrapper = wrapper.wrapper
    return {}
