"""A node class as ComfyUI's servers describe it to clients: an entry of ``/object_info``."""

from __future__ import annotations

from typing import Any

from engine.dynamic import grown_item, nested_inputs
from engine.file_inputs import offered_files
from engine.folders import Folders
from engine.inputs import Bool, Choice, DynamicChoice, FileChoice, Float, Growing, Int, Matched, Shown, Text
from engine.registry import USER_NODES
from engine.schema import NO_DEFAULT, InputSpec, Marker, NodeSpec, input_spec


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
    if spec.input_is_list:
        info["is_input_list"] = True
    groups_of_outputs = [output.group or None for output in spec.outputs]
    if any(groups_of_outputs):
        info["output_matchtypes"] = groups_of_outputs
    if spec.intermediate_output:
        info["has_intermediate_output"] = True
    if spec.essentials_category:
        info["essentials_category"] = spec.essentials_category
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
    told = {**_options(marker), **_shown_options(spec.shown)}
    if getattr(marker, "also", ""):
        told["widgetType"] = spec.wire.partition(",")[0]  # Of several wire types, the one that has a widget.
    options = {name: value for name, value in told.items() if value is not None and value != ""}
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
        options.pop("default", None)  # The first, as everybody takes it.
        described = [{"key": key, "inputs": _option(spec, key, folders)} for key in marker.values]
        return [spec.wire, {"options": described, **options}]
    if isinstance(marker, Growing):
        return [spec.wire, {"template": _grown(spec, marker, folders), **options}]
    return [spec.wire, options]


def _grown(spec: InputSpec, marker: Growing, folders: Folders) -> dict[str, Any]:
    """How the inputs of a growing one are called and what they take."""
    item = input_spec(grown_item(spec), spec.item)
    group = "required" if item.required else "optional"
    template: dict[str, Any] = {"input": {group: {item.name: _input(item, folders)}}}
    if marker.names:
        return {**template, "names": list(marker.names), "min": marker.min}
    return {**template, "prefix": marker.prefix or item.name, "min": marker.min, "max": marker.max}


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
    elif isinstance(marker, Matched):
        options = {"template": {"template_id": marker.group, "allowed_types": marker.allowed}}
    options["lazy"] = getattr(marker, "lazy", False) or None
    options["forceInput"] = getattr(marker, "force_input", False) or None
    options["tooltip"] = getattr(marker, "tooltip", "")
    return options


def _shown_options(shown: Shown) -> dict[str, Any]:
    return {
        "display_name": shown.display_name,
        "advanced": shown.advanced or None,
        "socketless": shown.socketless or None,
        "hidden": shown.hidden or None,
        "widgetType": shown.widget_type,
        "component": shown.component,
        f"{shown.upload}_upload": True if shown.upload else None,
    }


def _python_module(spec: NodeSpec) -> str:
    """Clients tell built-in nodes from others by the first part of it."""
    module = str(getattr(spec.run, "__module__", "") or "")
    if module.startswith(f"{USER_NODES}."):
        return f"custom_nodes.{module.removeprefix(f'{USER_NODES}.')}"
    return module
