"""Changes of rows: LoRAs of weights that the network keeps apart, or fused, where the file has it the other way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nodes.diffusion.lora.layers import Layer, LowRank, Replacement
from nodes.diffusion.name_map import Range, Span


@dataclass(frozen=True, eq=False)
class RowsOf:
    """Some ``rows`` of a change of a larger weight, of ``count`` rows in all.

    The other rows are taken for zeros, so what looks at whole columns (DoRA along the input axis, rotations across the
    border) is not exact.
    """

    layer: Layer
    rows: Range
    count: int

    def delta(self, weight: Tensor) -> Tensor:
        own = slice(*self.rows)
        whole = weight.new_zeros(self.count, *weight.shape[1:])
        whole[own] = weight
        return self.layer.delta(whole)[own]


@dataclass(frozen=True, eq=False)
class Within:
    """Changes of ranges of rows of one weight, each computed on its rows; the rest stays."""

    parts: tuple[tuple[Range, Layer], ...]

    def delta(self, weight: Tensor) -> Tensor:
        change = torch.zeros_like(weight)
        for rows, layer in self.parts:
            own = slice(*rows)
            change[own] += layer.delta(weight[own])
        return change


@dataclass(frozen=True, eq=False)
class SetTo:
    """A new value for rows, as a difference; ``part``: by which the patch's strength is taken back out of it."""

    value: Tensor
    part: float = 1.0

    def delta(self, weight: Tensor) -> Tensor:
        return (Replacement(self.value).put(weight) - weight) * self.part


@dataclass(frozen=True, eq=False)
class PlacedRows:
    """A layer of a file, and where it goes: what :func:`combined` puts together for each parameter."""

    layer: Layer | Replacement
    span: Span
    file_rows: int

    @property
    def of_file(self) -> Layer | Replacement:
        """The change of the parameter's part alone."""
        rows = self.span.of_file
        if rows is None or rows == (0, self.file_rows):
            return self.layer
        if isinstance(self.layer, Replacement):
            return Replacement(self.layer.value[slice(*rows)])
        if isinstance(self.layer, LowRank) and self.layer.mid is None and self.layer.up.shape[0] == self.file_rows:
            return replace(self.layer, up=self.layer.up[slice(*rows)])
        return RowsOf(self.layer, rows, self.file_rows)


def combined(placed: Sequence[PlacedRows]) -> Layer | Replacement:
    """All changes of one parameter as one; of several for the same rows, the last counts."""
    by_rows = {each.span.of_parameter: each.of_file for each in placed}
    if None in by_rows:
        return by_rows[None]
    layers = ((rows, SetTo(each.value) if isinstance(each, Replacement) else each) for rows, each in by_rows.items())
    return Within(tuple((rows, layer) for rows, layer in layers if rows is not None))
