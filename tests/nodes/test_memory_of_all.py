"""Every node whose output grows with its numbers, or is larger than all that it is given, says so beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.context import Context
from engine.dynamic import with_nested
from engine.errors import InputInvalid
from engine.folders import Folders
from engine.inputs import Choice, Float, Int
from engine.model_store import ModelStore
from engine.schema import NO_DEFAULT, InputSpec, NodeSpec
from engine.sizes import tensor_bytes
from engine.types import Audio, Image, Mask
from nodes import builtin_registry
from nodes.values import Latent

REGISTRY = builtin_registry()
SAMPLES = {
    "IMAGE": lambda: Image(torch.rand(2, 64, 48, 3)),
    "MASK": lambda: Mask(torch.rand(2, 64, 48)),
    "LATENT": lambda: Latent(torch.rand(2, 4, 8, 8)),
    "AUDIO": lambda: Audio(torch.rand(1, 2, 4410) * 2 - 1, 44100),
}
MADE = frozenset(SAMPLES)
GROWTH = 6
ROOM_BYTES = 4096  # what a node may make without a word: tables, single values


def can_be_tried(spec: NodeSpec) -> bool:
    takes = {one.wire for one in spec.given_inputs if not one.is_widget and one.required}
    makes = {one.wire for one in spec.outputs}
    given = all(usual(one) is not NO_DEFAULT for one in spec.given_inputs if one.required)
    return given and bool(makes & MADE) and takes <= MADE and not spec.output_node and not spec.input_is_list


def usual(one: InputSpec) -> Any:
    """A value for the input, or ``NO_DEFAULT`` where it is left out."""
    if one.wire in SAMPLES:
        return SAMPLES[one.wire]()
    if isinstance(one.marker, Choice) and one.marker.values:
        return one.marker.values[0]
    if isinstance(one.marker, Int | Float):
        low = one.marker.min if one.default is NO_DEFAULT else one.default
        return type(low)(min(low, 64))  # pictures of 64 pixels, sounds of a minute at most
    return one.default


def larger(one: InputSpec, value: Any) -> Any:
    assert isinstance(one.marker, Int | Float)
    most = value * GROWTH if one.marker.max is None else one.marker.max
    return type(value)(min(most, max(value, 1) * GROWTH))


def trials(spec: NodeSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    """The node's usual inputs, then each number larger by itself."""
    given = {one.name: usual(one) for one in spec.given_inputs}
    if spec.name == "JoinAudioChannels":  # it takes sounds of one channel
        given = {name: Audio(each.waveform[:, :1], each.sample_rate_hz) for name, each in given.items()}
    if spec.name == "LTXVSeparateAVLatent":  # it takes a latent of two parts
        given = {name: replace(each, others=(each,)) for name, each in given.items()}
    given = {name: value for name, value in given.items() if value is not NO_DEFAULT}
    yield "", given
    for one in spec.given_inputs:
        if isinstance(one.marker, Int | Float) and one.name in given:
            yield one.name, {**given, one.name: larger(one, given[one.name])}


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder: Path = tmp_path_factory.mktemp("run")
    return Context(Folders(input=folder, output=folder, temp=folder), ModelStore("cpu"))


@pytest.mark.parametrize("name", sorted(name for name, spec in REGISTRY.items() if can_be_tried(spec)))
def test_what_grows_is_estimated(name: str, ctx: Context) -> None:
    spec = REGISTRY[name]
    for changed, inputs in trials(spec):
        try:
            made = spec.run(ctx, **with_nested(spec, inputs))
        except InputInvalid:
            assert changed, "the usual inputs are refused"
            continue  # these inputs make nothing
        made_bytes, given_bytes = tensor_bytes(made), largest(inputs)
        if spec.memory is not None:
            assert spec.memory(**inputs) >= made_bytes - ROOM_BYTES or made_bytes <= given_bytes, (changed, inputs)
        else:
            assert made_bytes <= given_bytes + ROOM_BYTES, f"{name} makes {made_bytes} of {given_bytes} by {changed}"


def largest(inputs: Mapping[str, Any]) -> int:
    """A node may make three of what it is given: channels of a picture, or a mask in colours."""
    return 3 * max((tensor_bytes(value) for value in inputs.values()), default=0)


@pytest.mark.parametrize(("name", "wire"), [("BatchImagesNode", "IMAGE"), ("BatchMasksNode", "MASK")])
def test_joins_of_many_are_estimated(name: str, wire: str, ctx: Context) -> None:
    spec = REGISTRY[name]
    given = {wire.lower() + "s": {str(number): SAMPLES[wire]() for number in range(9)}}
    assert spec.memory is not None
    assert spec.memory(**given) >= tensor_bytes(spec.run(ctx, **given))
