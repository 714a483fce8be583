"""What computes the parts of a denoising network within a sampling call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from typing import ParamSpec

import torch

from engine.computing import Attention, Compile, Computing
from engine.derived import Derived
from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.compiling import Made, check_compiler, compiled, sizes_apart
from nodes.diffusion.kernels import sdpa
from nodes.diffusion.kernels.choice import Mix, mix_for
from nodes.diffusion.kernels.convolution import LaidOutOnce, can_be_laid_out

P = ParamSpec("P")


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Backend:
    """``mix``: the attention kernel; ``compile``: how parts are compiled that no hook reaches into.

    ``layouts``: where convolutions keep their weights as a CPU reads them; they lay them out in each call without.
    ``release``: gives back the memory that reading the stored weights took.
    """

    mix: Mix = sdpa.mix
    compile: Compile = "off"
    layouts: Derived | None = None
    release: Callable[[], None] = _nothing

    def best(self, part: Callable[P, Made]) -> Callable[P, Made]:
        """``part``, a function of a module and tensors, as it is to be run."""
        return part if self.compile == "off" else compiled(part, self.compile)


PLAIN = Backend()
_current: ContextVar[Backend] = ContextVar("backend", default=PLAIN)


def current() -> Backend:
    """What computes here; torch's attention and nothing compiled, where nothing is said."""
    return _current.get()


@contextmanager
def using(backend: Backend) -> Iterator[None]:
    """Networks that run within, in this thread, are computed by ``backend``."""
    token = _current.set(backend)
    try:
        with ExitStack() as entered:
            if backend.compile != "off":
                entered.enter_context(sizes_apart())
            if backend.layouts is not None:
                entered.enter_context(LaidOutOnce(backend.layouts, backend.release))
            yield
    finally:
        _current.reset(token)


def chosen(models: ModelStore, weights: Weights, attention: Attention | None = None) -> Backend:
    """What computes this network of the store; ``attention``: its kernel, if not the settings'.

    Raises ``DagfusionError`` where that cannot be as the settings say.
    """
    computing = models.computing if attention is None else replace(models.computing, attention=attention)
    found = backend_for(models.device, computing, models.derived if weights.heavy else None)
    return replace(found, release=weights.release)


def backend_for(device: torch.device, computing: Computing, layouts: Derived | None = None) -> Backend:
    """What computes networks on ``device``; see :func:`chosen`. ``layouts``: of large ones."""
    mix = mix_for(device, computing.attention)
    if computing.compile != "off":
        check_compiler(device)
        if mix is not sdpa.mix:
            mix = _untraced(mix)
    lays_out = device.type == "cpu" and computing.compile == "off" and can_be_laid_out()
    return Backend(mix, computing.compile, layouts if lays_out else None)


@cache
def _untraced(mix: Mix) -> Mix:
    """``mix`` for compiled parts, which call it as it is: other packages' kernels, and choices by measurement."""
    kept: Mix = torch.compiler.disable(mix.__call__)  # type: ignore[no-untyped-call, operator]
    return kept
