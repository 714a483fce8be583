"""Pictures, masks, numbers, lists and conditions, as ComfyUI's execution tests name them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import torch

from engine.context import Context
from engine.inputs import Choice, Float, Int, Wire
from engine.registry import node
from engine.types import Blocked, Image, Mask

CATEGORY = "execution tests"
Side = Annotated[int, Int(min=1, max=4096)]
Value = Annotated[float, Float(min=0.0, max=1.0, step=0.01)]
Whole = Annotated[int, Int(min=-(2**64), max=2**64)]
Anything = Annotated[Any, Wire("*")]
More = Annotated[Any, Wire("*", optional=True)]
_FILLED: Mapping[str, Callable[..., torch.Tensor]] = {"WHITE": torch.ones, "BLACK": torch.zeros, "NOISE": torch.rand}
_COMPARED = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@node("StubImage", category=CATEGORY)
def picture(
    ctx: Context,
    *,
    content: Annotated[str, Choice(*_FILLED)],
    height: Side = 512,
    width: Side = 512,
    batch_size: Side = 1,
) -> Image:
    """White, black or noise."""
    return Image(_FILLED[content](batch_size, height, width, 3))


@node("StubConstantImage", category=CATEGORY)
def grey(ctx: Context, *, value: Value = 0.5, height: Side = 512, width: Side = 512, batch_size: Side = 1) -> Image:
    """One grey."""
    return Image(torch.full((batch_size, height, width, 3), value))


@node("StubMask", category=CATEGORY)
def mask(ctx: Context, *, value: Value = 0.5, height: Side = 512, width: Side = 512, batch_size: Side = 1) -> Mask:
    """One value."""
    return Mask(torch.full((batch_size, height, width), value))


@node("StubInt", category=CATEGORY)
def whole(ctx: Context, *, value: Whole = 0) -> int:
    """A whole number."""
    return value


@node("StubFloat", category=CATEGORY)
def number(ctx: Context, *, value: Annotated[float, Float(min=-1e38, max=1e38)] = 0.0) -> float:
    """A number."""
    return value


@node("TestIntConditions", category=CATEGORY)
def compared(ctx: Context, *, a: Whole = 0, b: Whole = 0, operation: Annotated[str, Choice(*_COMPARED)]) -> bool:
    """Whether it holds."""
    return bool(_COMPARED[operation](a, b))


@node("TestMakeListNode", category=CATEGORY, output_is_list=(True,), accepts_any_input=True)
def listed(ctx: Context, *, value1: Anything, **more: Any) -> Anything:
    """``value1``, ``value2`` ... one by one."""
    return [value1, *(more[name] for name in sorted(more))]


@node("TestExecutionBlocker", category=CATEGORY)
def blocked(ctx: Context, *, input: Anything, block: bool, verbose: bool = False) -> Anything:
    """``input``, or nothing for the nodes after it, with a message where ``verbose``."""
    return Blocked("Blocked Execution" if verbose else None) if block else input


def _mix_needs(ctx: Context, *, mask: Mask, image1: Image | None, image2: Image | None) -> list[str]:
    low, high = float(mask.values.min()), float(mask.values.max())
    needed = {"image1": image1 is None and not low == high == 1, "image2": image2 is None and not low == high == 0}
    return [name for name, missing in needed.items() if missing]


@node("TestLazyMixImages", category=CATEGORY, lazy=_mix_needs)
def mixed(
    ctx: Context,
    *,
    image1: Annotated[Image, Wire("IMAGE", lazy=True)],
    image2: Annotated[Image, Wire("IMAGE", lazy=True)],
    mask: Mask,
) -> Image:
    """``image2`` where the mask is 1; a picture that the mask does not show is not computed."""
    low, high = float(mask.values.min()), float(mask.values.max())
    if low == high and low in (0, 1):
        return image2 if low else image1
    share = mask.values[..., None]
    return Image(image1.pixels * (1 - share) + image2.pixels * share)


@node("TestVariadicAverage", category=CATEGORY, accepts_any_input=True)
def average(ctx: Context, *, input1: Image, **more: Image) -> Image:
    """Of any number of pictures."""
    return Image(torch.stack([each.pixels for each in (input1, *more.values())]).mean(0))


@node("TestOutputNodeWithSocketOutput", category=CATEGORY, output_node=True)
def scaled(ctx: Context, *, image: Image, value: Annotated[float, Float(min=0.0, max=10.0)] = 1.0) -> Image:
    """``image`` times ``value``: an output node that hands something on."""
    return Image(image.pixels * value)
