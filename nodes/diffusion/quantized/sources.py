"""What quantized weights of files are made from: their stored bytes, read a few rows at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.quantized import WeightSource
from nodes.diffusion.quantized.ggml import decoder

CHUNK_NUMBERS = 2**22
"""How many numbers are made at once, so that what is in between does not take a layer's memory too."""


@dataclass(frozen=True, eq=False)
class Blocks(WeightSource):
    """Blocks of GGML's format ``kind``. ``stored``: uint8[blocks, bytes of a block], row by row of the weight."""

    stored: Tensor
    kind: str
    shape: tuple[int, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.stored,)

    def numbers(self, dtype: torch.dtype) -> Tensor:
        return self._decoded(self.stored, dtype).view(self.shape)

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        if len(self.stored) % self.shape[0]:
            return self.numbers(dtype)[ids]
        by_row = self.stored.view(self.shape[0], -1, self.stored.shape[1])
        picked = by_row[ids.flatten()].flatten(0, 1)
        return self._decoded(picked, dtype).view(*ids.shape, *self.shape[1:])

    def moved(self, move: Callable[[Tensor], Tensor]) -> WeightSource:
        return replace(self, stored=move(self.stored))

    def _decoded(self, stored: Tensor, dtype: torch.dtype) -> Tensor:
        decode = decoder(self.kind)
        of_block = math.prod(self.shape) // len(self.stored)
        made = torch.empty(len(stored), of_block, dtype=dtype, device=stored.device)
        step = CHUNK_NUMBERS // of_block
        for start in range(0, len(stored), step):
            made[start : start + step] = decode(stored[start : start + step])
        return made


@dataclass(frozen=True, eq=False)
class Scaled(WeightSource):
    """Numbers of 8 bits, each times a scale: one for all, or one for each row.

    ``scale``: float32[] or [rows, 1 ...].
    """

    stored: Tensor
    scale: Tensor

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.stored.shape)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.stored, self.scale)

    def numbers(self, dtype: torch.dtype) -> Tensor:
        made = torch.empty(self.shape, dtype=dtype, device=self.stored.device)
        step = max(1, CHUNK_NUMBERS // max(1, math.prod(self.shape[1:])))
        for start in range(0, self.shape[0], step):
            scale = self.scale[start : start + step] if self.scale.dim() else self.scale
            made[start : start + step] = self.stored[start : start + step].float() * scale
        return made

    def rows(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        picked = self.stored.view(torch.uint8)[ids].view(self.stored.dtype).float()
        return (picked * (self.scale[ids] if self.scale.dim() else self.scale)).to(dtype)

    def moved(self, move: Callable[[Tensor], Tensor]) -> WeightSource:
        return Scaled(move(self.stored), move(self.scale))


@dataclass(frozen=True, eq=False)
class RowRange(WeightSource):
    """Rows ``start`` to ``stop`` of ``whole``, whose stored bytes cannot be cut between them."""

    whole: WeightSource
    start: int
    stop: int

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.stop - self.start, *self.whole.shape[1:])

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.whole.tensors

    def numbers(self, dtype: torch.dtype) -> Tensor:
        return self.whole.numbers(dtype)[self.start : self.stop].clone()

    def moved(self, move: Callable[[Tensor], Tensor]) -> WeightSource:
        return replace(self, whole=self.whole.moved(move))


@dataclass(frozen=True, eq=False)
class Interleaved(WeightSource):
    """Rows of attention heads whose two halves ``whole`` has interleaved, as llama.cpp keeps Llama's: in halves."""

    whole: WeightSource
    heads: int

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.whole.shape

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.whole.tensors

    def numbers(self, dtype: torch.dtype) -> Tensor:
        interleaved = self.whole.numbers(dtype)
        return interleaved.view(self.heads, -1, 2, *self.shape[1:]).transpose(1, 2).reshape(self.shape)

    def moved(self, move: Callable[[Tensor], Tensor]) -> WeightSource:
        return replace(self, whole=self.whole.moved(move))


@dataclass(frozen=True, eq=False)
class OneLess(WeightSource):
    """The numbers of ``whole`` less one: Gemma's norms, to which llama.cpp has added it."""

    whole: WeightSource

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.whole.shape

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.whole.tensors

    def numbers(self, dtype: torch.dtype) -> Tensor:
        return (self.whole.numbers(torch.float32) - 1).to(dtype)

    def moved(self, move: Callable[[Tensor], Tensor]) -> WeightSource:
        return replace(self, whole=self.whole.moved(move))
