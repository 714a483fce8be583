"""A node class as ComfyUI's servers describe it to clients: an entry of ``/object_info``."""

from __future__ import annotations

from typing import Any

from engine.dynamic import nested_inputs
from engine.file_inputs import offered_files
from engine.folders import Folders
from engine.inputs import Bool, Choice, DynamicChoice, FileChoice, Float, Int, Text
from engine.registry import USER_NODES
from engine.schema import NO_DEFAULT, InputSpec, Marker, NodeSpec


def object_info(spec: NodeSpec, folders: Folders) -> dict[str, Any]:
    """The class's entry; file choices list what is in ``folders`` now. Plain JSON values only."""
    groups = _groups(spec, folders)
    info: dict[str, Any] = {
        "input": groups,
        "input_order": {group: list(inputs) for group, inputs in groups.items()},
        "output": [output.wire for output in spec.outputs],
        "output_is_list": [output.is_list for output in spec.outputs],
        "output_name": [output.name for output in spec.outputs],
        "name": spec.name,
        "display_name": spec.display_name or spec.name,
        "description": spec.description,
        "python_module": _python_module(spec),
        "category": spec.category,
        "output_node": spec.output_node,
    }
    if spec.deprecated:
        info["deprecated"] = True
    if spec.experimental:
        info["experimental"] = True
    if spec.search_aliases:
        info["search_aliases"] = list(spec.search_aliases)
    return info


def _groups(spec: NodeSpec, folders: Folders) -> dict[str, dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {"required": {}}
    for given in spec.given_inputs:
        group = "required" if given.required else "optional"
        groups.setdefault(group, {})[given.name] = _input(given, folders)
    if spec.hidden_inputs:
        groups["hidden"] = dict(spec.hidden_inputs)
    return groups


def _input(spec: InputSpec, folders: Folders) -> list[Any]:
    marker = spec.marker
    options = {name: value for name, value in _options(marker).items() if value is not None and value != ""}
    default = None if spec.default is NO_DEFAULT else spec.default
    if isinstance(marker, Choice) and marker.values and default == marker.values[0]:
        default = None  # Clients take the first choice by themselves.
    if default is not None:
        options = {"default": default, **options}
    if isinstance(marker, Choice):
        return [list(marker.values), options]
    if isinstance(marker, FileChoice):
        return [offered_files(marker, folders), options]
    if isinstance(marker, DynamicChoice):
        options.pop("default", None)
        described = [{"key": key, "inputs": _option(spec, key, folders)} for key in marker.values]
        return [spec.wire, {"options": described, **options}]
    return [spec.wire, options]


def _option(spec: InputSpec, key: str, folders: Folders) -> dict[str, dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for nested in nested_inputs(spec, key):
        group = "required" if nested.required else "optional"
        groups.setdefault(group, {})[nested.name.removeprefix(f"{spec.name}.")] = _input(nested, folders)
    return groups


def _options(marker: Marker) -> dict[str, Any]:
    """ComfyUI's names for what the marker says."""
    options: dict[str, Any] = {}
    if isinstance(marker, Int | Float):
        options = {"min": marker.min, "max": marker.max, "step": marker.step, "display": marker.display}
    if isinstance(marker, Int):
        options["control_after_generate"] = marker.control_after_generate or None
    elif isinstance(marker, Float):
        options["round"] = marker.round
    elif isinstance(marker, Text):
        options = {"multiline": marker.multiline or None, "dynamicPrompts": marker.dynamic_prompts or None}
        options["placeholder"] = marker.placeholder
    elif isinstance(marker, Bool):
        options = {"label_on": marker.label_on, "label_off": marker.label_off}
    elif isinstance(marker, FileChoice) and marker.upload:
        options = {f"{marker.upload}_upload": True}
    elif isinstance(marker, DynamicChoice):
        options = {"display_name": marker.display_name, "hidden": marker.hidden or None}
    options["lazy"] = getattr(marker, "lazy", False) or None
    options["forceInput"] = getattr(marker, "force_input", False) or None
    options["tooltip"] = getattr(marker, "tooltip", "")
    return options


def _python_module(spec: NodeSpec) -> str:
    """Clients tell built-in nodes from others by the first part of it."""
    module = str(getattr(spec.run, "__module__", "") or "")
    if module.startswith(f"{USER_NODES}."):
        return f"custom_nodes.{module.removeprefix(f'{USER_NODES}.')}"
    return module
