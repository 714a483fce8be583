"""What computes the parts of a denoising network within a sampling call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import ParamSpec

import torch
from torch import Tensor

from engine.computing import Compile, Computing
from engine.model_store import ModelStore
from nodes.diffusion.compiling import check_compiler, compiled, sizes_apart
from nodes.diffusion.kernels import sdpa
from nodes.diffusion.kernels.choice import Mix, mix_for

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Backend:
    """``mix``: the attention kernel; ``compile``: how parts are compiled that no hook reaches into."""

    mix: Mix = sdpa.mix
    compile: Compile = "off"

    def best(self, part: Callable[P, Tensor]) -> Callable[P, Tensor]:
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
        with nullcontext() if backend.compile == "off" else sizes_apart():
            yield
    finally:
        _current.reset(token)


def chosen(models: ModelStore) -> Backend:
    """What computes networks of this store. Raises ``DagfusionError`` where it cannot be what the settings ask for."""
    return backend_for(models.device, models.computing)


def backend_for(device: torch.device, computing: Computing) -> Backend:
    """What computes networks on ``device``; see :func:`chosen`."""
    mix = mix_for(device, computing.attention)
    if computing.compile != "off":
        check_compiler(device)
        if mix is not sdpa.mix:
            mix = _untraced(mix)
    return Backend(mix, computing.compile)


@cache
def _untraced(mix: Mix) -> Mix:
    """``mix`` for compiled parts, which call it as it is: other packages' kernels, and choices by measurement."""
    kept: Mix = torch.compiler.disable(mix.__call__)  # type: ignore[no-untyped-call, operator]
    return kept
