"""Classes that wait, fail while they wait, and stand for others that do."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

import torch

from benchmarks.execution_nodes.stubs import CATEGORY, Anything
from engine.context import Context
from engine.inputs import Float, Hidden, Int, Wire
from engine.registry import node
from engine.types import Expansion, Image, Link

Seconds = Annotated[float, Float(min=0.0, max=9999.0, step=0.01)]
_TICKS = 20
_in_use: set[str] = set()


@node("TestSleep", category=CATEGORY)
async def sleep(
    ctx: Context, *, value: Anything, seconds: Seconds = 1.0, unique_id: Annotated[str, Hidden("UNIQUE_ID")] = ""
) -> Anything:
    """``value``, after a while."""
    await _sleep(ctx, seconds)
    return value


@node("TestAsyncProgressUpdate", category=CATEGORY)
async def sleep_beside(ctx: Context, *, value: Anything, sleep_seconds: Seconds = 1.0) -> Anything:
    """``value``, after a while in which others run."""
    await _sleep(ctx, sleep_seconds)
    return value


@node("TestSyncProgressUpdate", category=CATEGORY)
def sleep_alone(ctx: Context, *, value: Anything, sleep_seconds: Seconds = 1.0) -> Anything:
    """``value``, after a while in which no others run."""
    for tick in range(_TICKS):
        time.sleep(sleep_seconds / _TICKS)
        ctx.progress(tick + 1, _TICKS)
    return value


async def _sleep(ctx: Context, seconds: float) -> None:
    for tick in range(_TICKS):
        await asyncio.sleep(seconds / _TICKS)
        ctx.progress(tick + 1, _TICKS)


@node("TestParallelSleep", category=CATEGORY, output_node=True)
def three_sleeps(
    ctx: Context,
    *,
    image1: Image,
    image2: Image,
    image3: Image,
    sleep1: Seconds = 0.5,
    sleep2: Seconds = 0.5,
    sleep3: Seconds = 0.5,
) -> Image | Expansion:
    """The average of three pictures, each after a while."""
    return _averaged([(image1, sleep1), (image2, sleep2), (image3, sleep3)])


@node("TestDynamicAsyncGeneration", category=CATEGORY)
def many_sleeps(
    ctx: Context,
    *,
    image1: Image,
    image2: Image,
    num_async_nodes: Annotated[int, Int(min=1, max=10)] = 3,
    sleep_duration: Seconds = 0.2,
) -> Image | Expansion:
    """The average of two pictures in turn, each after a while."""
    return _averaged([((image1, image2)[number % 2], sleep_duration) for number in range(num_async_nodes)])


def _averaged(waits: list[tuple[Image, float]]) -> Expansion:
    graph: dict[str, Any] = {
        f"sleep{number}": {"class_type": "TestSleep", "inputs": {"value": image, "seconds": seconds}}
        for number, (image, seconds) in enumerate(waits, 1)
    }
    inputs = {f"input{number}": [f"sleep{number}", 0] for number in range(1, len(waits) + 1)}
    graph["average"] = {"class_type": "TestVariadicAverage", "inputs": inputs}
    return Expansion(graph, (Link("average", 0),))


@node("TestAsyncError", category=CATEGORY)
async def fails_later(ctx: Context, *, value: Anything, error_after: Seconds = 0.1) -> Anything:
    """An error, after a while."""
    await asyncio.sleep(error_after)
    raise RuntimeError("Intentional async execution error for testing")


@node("TestSyncError", category=CATEGORY)
def fails(ctx: Context, *, value: Anything) -> Anything:
    """An error."""
    raise RuntimeError("Intentional sync execution error for testing")


@node("TestAsyncTimeout", category=CATEGORY)
async def in_time(ctx: Context, *, value: Anything, timeout: Seconds = 1.0, operation_time: Seconds = 2.0) -> Anything:
    """``value``, where what it waits for takes no longer than ``timeout``."""
    try:
        await asyncio.wait_for(asyncio.sleep(operation_time), timeout)
    except TimeoutError as error:
        raise RuntimeError(f"Operation timed out after {timeout} seconds") from error
    return value


async def _needs(ctx: Context, *, condition: bool, input1: Any, input2: Any) -> list[str]:
    await asyncio.sleep(0.01)
    name, value = ("input1", input1) if condition else ("input2", input2)
    return [name] if value is None else []


@node("TestAsyncLazyCheck", category=CATEGORY, lazy=_needs)
def one_of_two(
    ctx: Context,
    *,
    input1: Annotated[Any, Wire("*", lazy=True)],
    input2: Annotated[Any, Wire("*", lazy=True)],
    condition: bool = True,
) -> Image:
    """A white picture, after one of the inputs."""
    return Image(torch.ones(1, 512, 512, 3))


@node("TestAsyncResourceUser", category=CATEGORY)
async def uses(ctx: Context, *, value: Anything, resource_id: str = "resource_0", duration: Seconds = 0.1) -> Anything:
    """``value``, after having something for itself."""
    if resource_id in _in_use:
        raise RuntimeError(f"Resource {resource_id} is already in use!")
    _in_use.add(resource_id)
    try:
        await asyncio.sleep(duration)
    finally:
        _in_use.discard(resource_id)
    return value
