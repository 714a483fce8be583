"""What clients are told of classes that ComfyUI declares by its newer schema is what ComfyUI 0.33.0 tells them.

``comfyui_object_info.json`` holds its entries, a class a line, without tooltips and names for people.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.folders import Folders
from engine.left_out import why_left_out
from engine.object_info import object_info
from nodes import builtin_registry

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("comfyui_object_info.json").read_text())
REGISTRY = builtin_registry()


def plain(told: Any) -> Any:
    """Without what says nothing: empty options, texts of one line, the first choice as the default."""
    if not isinstance(told, list):
        return told
    wire, options = told[0], dict(told[1]) if len(told) > 1 else {}
    if isinstance(wire, list):
        wire, options = "COMBO", {"options": wire, **options}
    for name in ("multiselect", "tooltip", "folder"):
        options.pop(name, None)
    for name in ("multiline", "socketless"):
        if options.get(name) is False:
            del options[name]
    if wire == "COMBO" and options.get("options") and options.get("default") == options["options"][0]:
        del options["default"]
    if wire == "COMFY_DYNAMICCOMBO_V3":
        options["options"] = [{"key": one["key"], "inputs": groups(one["inputs"])} for one in options["options"]]
    if "template" in options and "input" in options["template"]:
        options["template"] = {**options["template"], "input": groups(options["template"]["input"])}
    return [wire, options]


def groups(inputs: dict[str, Any]) -> dict[str, Any]:
    return {group: {n: plain(told) for n, told in some.items()} for group, some in inputs.items() if group != "hidden"}


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_a_class_is_described_as_comfyui_does(name: str) -> None:
    ours, theirs = object_info(REGISTRY[name], Folders()), RECORDED[name]
    assert groups(ours["input"]) == groups(theirs["inputs"])
    assert [list(group) for group in groups(ours["input"]).values()] == [
        list(group) for group in groups(theirs["inputs"]).values()
    ]
    assert ours["output"] == theirs["outputs"]
    assert ours["output_name"] == theirs["output_names"]
    assert ours["output_is_list"] == theirs.get("output_is_list", [False] * len(theirs["outputs"]))
    for name in ("is_input_list", "output_matchtypes", "experimental", "deprecated", "has_intermediate_output"):
        assert ours.get(name) == theirs.get(name)
    for name in ("output_node", "essentials_category"):
        assert (ours.get(name) or None) == (theirs.get(name) or None)


def test_no_class_that_is_here_is_said_to_be_left_out() -> None:
    assert [name for name in REGISTRY if why_left_out(name)] == []
