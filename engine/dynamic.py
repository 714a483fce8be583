"""Inputs of a choice whose options have inputs of their own: named with dots in workflows, nested for functions.

A workflow says ``{"format": "mp4", "format.codec": "h264", "format.codec.encoding": "auto"}``; the function gets
``format={"format": "mp4", "codec": {"codec": "h264", "encoding": {"encoding": "auto"}}}``, as in ComfyUI.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.inputs import DynamicChoice
from engine.schema import NO_DEFAULT, InputSpec, NodeSpec, input_spec


def nested_inputs(spec: InputSpec, chosen: Any) -> Iterator[InputSpec]:
    """The inputs of the option ``chosen`` of one choice, with their whole names; not those of choices among them."""
    if not isinstance(spec.marker, DynamicChoice) or not isinstance(chosen, str):
        return
    for name, given in spec.marker.options.get(chosen, {}).items():
        yield input_spec(f"{spec.name}.{name}", given.annotation, given.default)


def all_nested_inputs(spec: InputSpec, inputs: Mapping[str, Any]) -> Iterator[InputSpec]:
    """The inputs of the options that ``inputs`` choose, at every depth, each before its own."""
    chosen = inputs.get(spec.name, None if spec.default is NO_DEFAULT else spec.default)
    for nested in nested_inputs(spec, chosen):
        yield nested
        yield from all_nested_inputs(nested, inputs)


def with_nested(spec: NodeSpec, arguments: dict[str, Any]) -> dict[str, Any]:
    """A call's arguments with the inputs of each choice put into one mapping, under the choice's name."""
    if not spec.dynamic_inputs:
        return arguments
    made = {name: value for name, value in arguments.items() if "." not in name or name in spec.inputs}
    for name in spec.dynamic_inputs & arguments.keys():
        made[name] = _mapping(spec.inputs[name], arguments)
    return made


def _mapping(spec: InputSpec, arguments: Mapping[str, Any]) -> Any:
    """The option under the choice's own name, and its inputs under theirs; ``None`` where nothing is chosen."""
    chosen = arguments[spec.name]
    if chosen is None:
        return None
    made: dict[str, Any] = {spec.name.rpartition(".")[2]: chosen}
    for nested in nested_inputs(spec, chosen):
        if nested.name in arguments:
            choice = isinstance(nested.marker, DynamicChoice)
            made[nested.name.rpartition(".")[2]] = _mapping(nested, arguments) if choice else arguments[nested.name]
    return made
