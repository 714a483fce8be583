"""Classes that check their inputs, say when they change, and stand for others."""

from __future__ import annotations

import asyncio
import math
from typing import Annotated, Any, NamedTuple

import torch

from benchmarks.execution_nodes.stubs import CATEGORY
from engine.context import Context
from engine.inputs import Float, Wire
from engine.registry import node
from engine.types import Expansion, Image, Link

PictureOrNumber = Annotated[Any, Wire("IMAGE,FLOAT")]
Fraction = Annotated[float, Float(min=0.0, max=1.0)]
Times = Annotated[float, Float(min=0.0, max=10.0)]
_MASK = {"class_type": "StubMask", "inputs": {"value": 0.5, "height": 512, "width": 512, "batch_size": 1}}


class TwoPictures(NamedTuple):
    """A picture, and a white one."""

    first: Image
    white: Image


def _grey(value: float) -> Image:
    return Image(torch.full((1, 512, 512, 3), value))


def _product(first: Any, second: Any) -> Image:
    if isinstance(first, float) and isinstance(second, float):
        return _grey(first * second)
    pixels = [value.pixels if isinstance(value, Image) else value for value in (first, second)]
    return Image(pixels[0] * pixels[1])


def _is_number(ctx: Context, *, input1: Any = None, input2: Any = None) -> str | None:
    wrong = [value for value in (input1, input2) if value is not None and not isinstance(value, float)]
    return f"{wrong[0]!r} is no picture and no number with a point" if wrong else None


def _is_number_or_picture(
    ctx: Context, *, input_types: dict[str, str], input1: Any = None, input2: Any = None
) -> str | None:
    wrong = sorted(set(input_types.values()) - {"IMAGE", "FLOAT"})
    return f"it is linked to {wrong[0]}" if wrong else _is_number(ctx, input1=input1, input2=input2)


@node("TestCustomValidation1", category=CATEGORY, validate=_is_number)
def checked_by_value(ctx: Context, *, input1: PictureOrNumber, input2: PictureOrNumber) -> Image:
    """The product; values that are typed in are checked."""
    return _product(input1, input2)


@node("TestCustomValidation2", category=CATEGORY, validate=_is_number_or_picture)
def checked_by_type(ctx: Context, *, input1: PictureOrNumber, input2: PictureOrNumber) -> Image:
    """The product; the types of what is linked are checked too."""
    return _product(input1, input2)


@node("TestCustomValidation3", category=CATEGORY)
def checked_by_link(ctx: Context, *, input1: PictureOrNumber, input2: PictureOrNumber) -> Image:
    """The product; links are checked as everywhere."""
    return _product(input1, input2)


def _number(ctx: Context, *, input1: Any, input2: Any) -> str | None:
    return _is_number(ctx, input1=input1, input2=input2)


@node("TestCustomValidation4", category=CATEGORY, validate=_number)
def checked_without_defaults(ctx: Context, *, input1: float, input2: float) -> Image:
    """The product; the check needs both inputs."""
    return _product(input1, input2)


def _no_sevens(ctx: Context, **inputs: Any) -> str | None:
    return "7s are not taken" if inputs.get("input2") == 7.0 else None


@node("TestCustomValidation5", category=CATEGORY, validate=_no_sevens)
def checked_beyond_range(ctx: Context, *, input1: Fraction, input2: Fraction) -> Image:
    """The product; the check decides about the range."""
    return _product(input1, input2)


async def _below(ctx: Context, *, value: float, threshold: float) -> str | None:
    await asyncio.sleep(0.01)
    return f"{value} is beyond {threshold}" if value > threshold else None


@node("TestAsyncValidation", category=CATEGORY, validate=_below)
def checked_later(ctx: Context, *, value: float = 5.0, threshold: float = 10.0) -> Image:
    """A tenth of ``value``; the check waits for something."""
    return _grey(value / 10)


async def _at_most(ctx: Context, *, value: float, max_value: float) -> str | None:
    return await _below(ctx, value=value, threshold=max_value)


@node("TestAsyncValidationError", category=CATEGORY, validate=_at_most)
def refused_later(ctx: Context, *, value: float = 5.0, max_value: float = 10.0) -> Image:
    """``value`` as a part of ``max_value``."""
    return _grey(value / max_value)


def _changed(ctx: Context, *, should_change: Any = False) -> float:
    return math.nan if should_change else 0.0


@node(
    "TestCustomIsChanged",
    category=CATEGORY,
    fingerprint=_changed,
)
def changed_at_will(
    ctx: Context, *, image: Image, should_change: Annotated[Any, Wire("BOOL", optional=True, literal=True)] = False
) -> Image:
    """``image``; it runs every time where it should."""
    return image


def _brightness(ctx: Context, *, image: Image | None, value: float) -> float:
    return value if image is None else float(image.pixels.mean()) * value


@node("TestIsChangedWithConstants", category=CATEGORY, fingerprint=_brightness)
def changed_by_value(ctx: Context, *, image: Image, value: Times = 1.0) -> Image:
    """``image`` times ``value``."""
    return Image(image.pixels * value)


@node("TestDynamicDependencyCycle", category=CATEGORY)
def cycle(ctx: Context, *, input1: Image, input2: Image) -> Image | Expansion:
    """Two nodes that wait for each other."""
    graph = {
        "mask": _MASK,
        "one": {
            "class_type": "TestLazyMixImages",
            "inputs": {"image1": input1, "image2": ["two", 0], "mask": ["mask", 0]},
        },
        "two": {
            "class_type": "TestLazyMixImages",
            "inputs": {"image1": ["one", 0], "image2": input2, "mask": ["mask", 0]},
        },
    }
    return Expansion(graph, (Link("two", 0),))


@node("TestMixedExpansionReturns", category=CATEGORY)
def sometimes_expanded(ctx: Context, *, input1: float) -> TwoPictures | Expansion:
    """A grey picture: a value, or what other nodes make."""
    white = _grey(1.0)
    if input1 <= 0.2:
        return TwoPictures(_grey(0.1 if input1 <= 0.1 else 0.2), white)
    sides = {"height": 512, "width": 512, "batch_size": 1}
    graph = {
        "mask": {"class_type": "StubMask", "inputs": {"value": 0.3, **sides}},
        "black": {"class_type": "StubImage", "inputs": {"content": "BLACK", **sides}},
        "white": {"class_type": "StubImage", "inputs": {"content": "WHITE", **sides}},
        "mix": {
            "class_type": "TestLazyMixImages",
            "inputs": {"image1": ["black", 0], "image2": ["white", 0], "mask": ["mask", 0]},
        },
    }
    return Expansion(graph, (Link("mix", 0), white))
