"""Inputs that stand for others: choices whose options have inputs of their own, and inputs of any number.

Those are named with dots in workflows, and nested for functions.

A workflow says ``{"format": "mp4", "format.codec": "h264", "format.codec.encoding": "auto"}``; the function gets
``format={"format": "mp4", "codec": {"codec": "h264", "encoding": {"encoding": "auto"}}}``, as in ComfyUI.
Likewise ``{"images.image0": ..., "images.image1": ...}`` gives ``images={"image0": ..., "image1": ...}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from engine.inputs import DynamicChoice, Growing
from engine.schema import NO_DEFAULT, InputSpec, NodeSpec, input_spec


def nested_inputs(spec: InputSpec, chosen: Any) -> Iterator[InputSpec]:
    """The inputs of the option ``chosen`` of one choice, with their whole names; not those of choices among them."""
    if not isinstance(spec.marker, DynamicChoice) or not isinstance(chosen, str):
        return
    for name, given in spec.marker.options.get(chosen, {}).items():
        yield input_spec(f"{spec.name}.{name}", given.annotation, given.default)


def grown_names(spec: InputSpec) -> tuple[str, ...]:
    """What the inputs of a growing one are called, without its own name; nothing for others."""
    marker = spec.marker
    if not isinstance(marker, Growing):
        return ()
    prefix = marker.prefix or grown_item(spec)
    return marker.names or tuple(f"{prefix}{number}" for number in range(marker.max))


def grown_item(spec: InputSpec) -> str:
    """What one of the inputs of a growing one is called."""
    assert isinstance(spec.marker, Growing)
    return spec.marker.item or spec.name.rpartition(".")[2].removesuffix("s")


def _grown_inputs(spec: InputSpec, marker: Growing, inputs: Mapping[str, Any]) -> Iterator[InputSpec]:
    """Those that are needed, and those that ``inputs`` have."""
    for number, name in enumerate(grown_names(spec)):
        whole = f"{spec.name}.{name}"
        if number < marker.min or whole in inputs:
            grown = input_spec(whole, spec.item)
            yield grown if number < marker.min else replace(grown, required=False)


def all_nested_inputs(spec: InputSpec, inputs: Mapping[str, Any]) -> Iterator[InputSpec]:
    """The inputs that it stands for where ``inputs`` are given, at every depth, each before its own."""
    if isinstance(spec.marker, Growing):
        yield from _grown_inputs(spec, spec.marker, inputs)
        return
    chosen = inputs.get(spec.name, None if spec.default is NO_DEFAULT else spec.default)
    for nested in nested_inputs(spec, chosen):
        yield nested
        yield from all_nested_inputs(nested, inputs)


def with_nested(spec: NodeSpec, arguments: dict[str, Any]) -> dict[str, Any]:
    """A call's arguments with the inputs that one stands for put into one mapping, under its name."""
    if not spec.dynamic_inputs:
        return arguments
    made = {name: value for name, value in arguments.items() if "." not in name or name in spec.inputs}
    for name in spec.dynamic_inputs:
        if name in arguments or isinstance(spec.inputs[name].marker, Growing):
            made[name] = _mapping(spec.inputs[name], arguments)
    return made


def _mapping(spec: InputSpec, arguments: Mapping[str, Any]) -> Any:
    """The option under the choice's own name, and its inputs under theirs; ``None`` where nothing is chosen.

    Of a growing input: its inputs in order.
    """
    if isinstance(spec.marker, Growing):
        names = ((name, f"{spec.name}.{name}") for name in grown_names(spec))
        return {name: arguments[whole] for name, whole in names if whole in arguments}
    chosen = arguments[spec.name]
    if chosen is None:
        return None
    made: dict[str, Any] = {spec.name.rpartition(".")[2]: chosen}
    for nested in nested_inputs(spec, chosen):
        if nested.name in arguments or isinstance(nested.marker, Growing):
            choice = isinstance(nested.marker, DynamicChoice | Growing)
            made[nested.name.rpartition(".")[2]] = _mapping(nested, arguments) if choice else arguments[nested.name]
    return made
