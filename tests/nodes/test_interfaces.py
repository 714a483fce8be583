"""Every built-in class that ComfyUI also has takes the same inputs, defaults and ranges, and gives the same types.

``comfyui_interfaces.json`` holds the interfaces of ComfyUI 0.3.64 (of nodes for films and sound: 0.33.0), a class a
line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.dynamic import nested_inputs
from engine.inputs import Choice, DynamicChoice, FileChoice, Float, Int, Text
from engine.schema import NO_DEFAULT, InputSpec
from nodes import builtin_registry

INTERFACES: dict[str, Any] = json.loads(Path(__file__).with_name("comfyui_interfaces.json").read_text())
REGISTRY = builtin_registry()
SHARED = sorted(set(REGISTRY) & set(INTERFACES))


def described(spec: InputSpec) -> list[Any]:
    """An input in the form of the recorded interfaces."""
    options: dict[str, Any] = {}
    marker = spec.marker
    if spec.default is not NO_DEFAULT and spec.default is not None:
        options["default"] = spec.default
    if isinstance(marker, Int | Float):
        options |= {k: v for k in ("min", "max", "step") if (v := getattr(marker, k)) is not None}
    if isinstance(marker, Text) and marker.multiline:
        options["multiline"] = True
    if isinstance(marker, Choice):
        options["options"] = list(marker.values)
    if isinstance(marker, DynamicChoice):
        options = {"options": [{"key": key, "inputs": option(spec, key)} for key in marker.values]}
    if getattr(marker, "force_input", False):
        options["forceInput"] = True
    return [spec.wire, options]


def option(spec: InputSpec, key: str) -> dict[str, dict[str, Any]]:
    """The inputs of one option of a dynamic choice."""
    groups: dict[str, dict[str, Any]] = {}
    for nested in nested_inputs(spec, key):
        group = groups.setdefault("required" if nested.required else "optional", {})
        group[nested.name.rpartition(".")[2]] = described(nested)
    return groups


def expected(recorded: list[Any], spec: InputSpec) -> list[Any]:
    """A recorded input without what is a matter of this machine's files or of the user interface."""
    wire, options = recorded[0], dict(recorded[1]) if len(recorded) > 1 else {}
    if isinstance(spec.marker, FileChoice):
        options.pop("options", None)
        options.pop("default", None)
    elif wire == "COMBO" and options.get("options"):
        options.setdefault("default", options["options"][0])
    for name in ("control_after_generate", "lazy"):
        options.pop(name, None)
    if not options.get("multiline"):
        options.pop("multiline", None)
    return [wire, options]


def test_there_are_shared_classes() -> None:
    assert len(SHARED) > 100


@pytest.mark.parametrize("name", SHARED)
def test_inputs_are_those_of_comfyui(name: str) -> None:
    ours: dict[str, Any] = {"required": {}, "optional": {}}
    theirs: dict[str, Any] = {"required": {}, "optional": {}}
    specs = {spec.name: spec for spec in REGISTRY[name].inputs.values() if not spec.hidden}
    for spec in specs.values():
        ours["required" if spec.required else "optional"][spec.name] = described(spec)
    for group, inputs in INTERFACES[name]["inputs"].items():
        for key, recorded in inputs.items():
            theirs[group][key] = expected(recorded, specs[key]) if key in specs else recorded
    assert ours == theirs
    assert [list(group) for group in ours.values()] == [list(group) for group in theirs.values()]


@pytest.mark.parametrize("name", SHARED)
def test_seeds_have_an_extra_widget_value_where_comfyui_has_one(name: str) -> None:
    recorded = INTERFACES[name]["inputs"]
    theirs = {
        key
        for inputs in recorded.values()
        for key, value in inputs.items()
        if len(value) > 1 and value[1].get("control_after_generate")
    }
    ours = {s.name for s in REGISTRY[name].inputs.values() if getattr(s.marker, "control_after_generate", False)}
    assert ours == theirs


@pytest.mark.parametrize("name", SHARED)
def test_outputs_are_those_of_comfyui(name: str) -> None:
    spec, recorded = REGISTRY[name], INTERFACES[name]
    assert [output.wire for output in spec.outputs] == recorded["outputs"]
    assert [output.name for output in spec.outputs] == recorded["output_names"]
    assert [output.is_list for output in spec.outputs] == recorded.get("output_is_list", [False] * len(spec.outputs))
    assert spec.output_node == recorded.get("output_node", False)
