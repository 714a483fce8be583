"""torch.compile for the parts that a network repeats: compiled once for all of them, whatever their weights."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch.fx.experimental import _config

from engine.computing import Compile
from engine.errors import DagfusionError, first_line
from engine.quantized import Quantized

MOST_VARIANTS = 64  # of one part: by channels in and out, number format, batches of one and of several
_log = logging.getLogger(__name__)
P = ParamSpec("P")
Made = TypeVar("Made", Tensor, tuple[Tensor, Tensor])


def check_compiler(device: torch.device) -> None:
    """Raises ``DagfusionError`` where what compiling for ``device`` takes is not installed."""
    if device.type != "cpu":
        return
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise DagfusionError(
            "compiling networks for the CPU takes a C++ compiler, and there is none",
            remedy="install g++, or take --compile off",
        ) from error


def sizes_apart() -> AbstractContextManager[object]:
    """Within, code is compiled for any sizes: sides that are equal by chance (of a square picture) may differ later."""
    return _config.patch(use_duck_shape=False)  # type: ignore[attr-defined, no-any-return]


@cache
def compiled(part: Callable[P, Made], mode: Compile) -> Callable[P, Made]:
    """``part``, a function of a module and tensors, compiled for sizes of any kind.

    A module's weights go into the compiled code like the tensors do, so that all modules of one form share it: each
    layer of a network, and each of its copies with LoRAs. Where compiling fails, ``part`` runs as it is, with one log
    line; it also does for modules with quantized weights, which torch cannot trace.
    """
    graphs = mode == "reduce-overhead"
    quick: Callable[P, Made] = torch.compile(  # type: ignore[call-overload]  # torch's lack the last two
        part, dynamic=True, mode=mode, recompile_limit=MOST_VARIANTS, isolate_recompiles=True
    )
    broken = False

    def run(*args: P.args, **kwargs: P.kwargs) -> Made:
        nonlocal broken
        if broken or any(map(_is_quantized, args)):
            return part(*args, **kwargs)
        if graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        try:
            made = quick(*args, **kwargs)
        except torch._dynamo.exc.TorchDynamoException as error:
            broken = True
            _log.warning("%s is not compiled: %s", getattr(part, "__name__", part), first_line(error))
            return part(*args, **kwargs)
        # A graph writes to the same memory each time it is replayed.
        return _kept(made) if graphs else made

    return run


def _is_quantized(given: object) -> bool:
    return isinstance(given, nn.Module) and any(isinstance(weight, Quantized) for weight in given.parameters())


def _kept(made: Made) -> Made:
    if isinstance(made, Tensor):
        return made.clone()
    return tuple(tensor.clone() for tensor in made)  # type: ignore[return-value]
