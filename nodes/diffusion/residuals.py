"""Arithmetic on what ControlNets add to a network's activations, whatever places that network has for it.

Residuals are a dataclass whose fields are tensors, None, or tuples of these, such as
:class:`nodes.diffusion.unet.ControlResiduals`; tensors are [batch or 1, ...]. A place of None gets nothing, and a tuple
that is too short adds nothing to the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor

Residuals = TypeVar("Residuals")
_Part = Tensor | None


def scaled(residuals: Residuals, strength: float) -> Residuals:
    """Each tensor times ``strength``."""
    return _each(lambda part: None if part is None else part * strength, residuals)


def added(a: Residuals, b: Residuals) -> Residuals:
    """The sum, place by place."""
    return type(a)(**{field.name: _sum(getattr(a, field.name), getattr(b, field.name)) for field in fields(a)})  # type: ignore[arg-type]


def form(residuals: Any) -> Hashable:
    """Equal for residuals that can be :func:`joined`."""

    def shape(part: _Part) -> Hashable:
        return None if part is None else part.shape[1:]

    values = (getattr(residuals, field.name) for field in fields(residuals))
    return type(residuals), tuple(tuple(map(shape, v)) if isinstance(v, tuple) else (shape(v),) for v in values)


def joined(given: Sequence[Residuals], rows: Sequence[int]) -> Residuals:
    """Residuals of one form for passes of so many ``rows`` each, row by row."""

    def join(parts: Sequence[_Part]) -> _Part:
        known = [
            part.expand(count, *part.shape[1:]) for part, count in zip(parts, rows, strict=True) if part is not None
        ]
        return torch.cat(known) if known else None

    return _each(lambda *parts: join(parts), *given)


def _each(change: Callable[..., _Part], *given: Residuals) -> Residuals:
    made = {}
    for field in fields(given[0]):  # type: ignore[arg-type]
        values = [getattr(one, field.name) for one in given]
        made[field.name] = tuple(map(change, *values)) if isinstance(values[0], tuple) else change(*values)
    return type(given[0])(**made)


def _sum(a: Any, b: Any) -> Any:
    if isinstance(a, tuple):
        length = max(len(a), len(b))
        padded = [(*one, *[None] * (length - len(one))) for one in (a, b)]
        return tuple(_sum(first, second) for first, second in zip(*padded, strict=True))
    if a is None or b is None:
        return a if b is None else b
    return torch.add(a, b)
