"""How tensors of files are coded that are not plain numbers: which of their bytes make which quantized weight."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import torch

from engine.quantized import Plain, WeightSource
from nodes.diffusion.quantized.sources import Blocks, Interleaved, OneLess, RowRange, Scaled
from nodes.diffusion.weight_header import Read, TensorFact
from nodes.families.gguf_header import block_formats


@dataclass(frozen=True, slots=True)
class GgufCoding:
    """``kind``: GGML's block format, empty for plain numbers; ``heads``: see ``Interleaved``, 0 where it is not so;
    ``one_less``: see ``OneLess``.
    """

    kind: str = ""
    heads: int = 0
    one_less: bool = False

    @property
    def title(self) -> str:
        """All that it is by."""
        return repr(self)

    @property
    def beside(self) -> tuple[TensorFact, ...]:
        """Nothing: scales are within the blocks."""
        return ()

    def source(self, fact: TensorFact, read: Read) -> WeightSource:
        """The weight that the bytes of ``fact`` stand for."""
        if self.kind:
            _, block_bytes = _block(self.kind)
            raw = replace(fact, coding=None, dtype=torch.uint8, shape=(fact.size_bytes // block_bytes, block_bytes))
            source: WeightSource = Blocks(read(raw), self.kind, fact.shape)
        else:
            source = Plain(read(replace(fact, coding=None)))
        if self.heads:
            source = Interleaved(source, self.heads)
        return OneLess(source) if self.one_less else source

    def rows(self, fact: TensorFact, start: int, stop: int) -> TensorFact:
        """Of a part along the first dimension."""
        block, block_bytes = _block(self.kind) if self.kind else (1, fact.dtype.itemsize)
        numbers = math.prod(fact.shape[1:])
        if self.heads or numbers % block:
            return windowed(fact, start, stop)
        row_bytes = numbers // block * block_bytes
        first, last = fact.start + start * row_bytes, fact.start + stop * row_bytes
        return replace(fact, shape=(stop - start, *fact.shape[1:]), start=first, end=last)


@dataclass(frozen=True, slots=True)
class ScaledCoding:
    """8-bit numbers times ``scale``, of one number, or of one for each row of the weight."""

    scale: TensorFact

    @property
    def title(self) -> str:
        """All that it is by but where the scale is."""
        return f"scaled by {self.scale.dtype}{list(self.scale.shape)}"

    @property
    def beside(self) -> tuple[TensorFact, ...]:
        """The scale."""
        return (self.scale,)

    def source(self, fact: TensorFact, read: Read) -> WeightSource:
        """The weight that the bytes of ``fact`` stand for."""
        scale = read(self.scale).float()
        by_row = scale.reshape(-1, *[1] * (len(fact.shape) - 1)) if scale.numel() > 1 else scale.reshape(())
        return Scaled(read(replace(fact, coding=None)), by_row)

    def rows(self, fact: TensorFact, start: int, stop: int) -> TensorFact:
        """Of a part along the first dimension, with the scales of these rows."""
        cut = replace(fact, coding=None).rows(start, stop)
        by_row = math.prod(self.scale.shape) > 1
        return replace(cut, coding=ScaledCoding(self.scale.rows(start, stop)) if by_row else self)


@dataclass(frozen=True, slots=True)
class WindowCoding:
    """Rows of a tensor whose bytes cannot be cut between them; ``whole`` has all of its bytes."""

    whole: TensorFact
    start: int
    stop: int

    @property
    def title(self) -> str:
        """The whole's, and the rows."""
        assert self.whole.coding is not None
        return f"{self.whole.coding.title}[{self.start}:{self.stop}]"

    @property
    def beside(self) -> tuple[TensorFact, ...]:
        """What the whole has beside it."""
        assert self.whole.coding is not None
        return self.whole.coding.beside

    def source(self, fact: TensorFact, read: Read) -> WeightSource:  # noqa: ARG002 - the whole's is asked for
        """The weight that the rows are."""
        assert self.whole.coding is not None
        return RowRange(self.whole.coding.source(self.whole, read), self.start, self.stop)

    def rows(self, fact: TensorFact, start: int, stop: int) -> TensorFact:  # noqa: ARG002
        """Rows of these rows."""
        return windowed(self.whole, self.start + start, self.start + stop)


def windowed(whole: TensorFact, start: int, stop: int) -> TensorFact:
    """Rows of ``whole``, made by making all of it."""
    shape = (stop - start, *whole.shape[1:])
    return replace(whole, shape=shape, coding=WindowCoding(whole, start, stop))


@cache
def _block(kind: str) -> tuple[int, int]:
    return next((block, size) for title, block, size in block_formats().values() if title == kind)
