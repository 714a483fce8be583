"""Orthogonal finetuning: a weight's outputs turned among themselves, in blocks, so that their angles stay."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nodes.diffusion.lora.layers import Layer, Magnitude, beside
from nodes.diffusion.lora.rows import RowsOf, SetTo, Within


@dataclass(frozen=True, eq=False)
class BlockRotation:
    """OFT: neighbouring outputs are a block, each turned by a matrix of its own (Qiu et al. 2023, arXiv 2306.07280).

    ``blocks``: [count, size, size], for count * size outputs. ``constraint``: see :func:`cayley`. ``part``: how far
    this goes from the old weight (0) to the turned one (1), in a straight line. A file's ``rescale`` is not here:
    ComfyUI 0.3.64 does not apply it to this kind, so pictures are made without.
    """

    blocks: Tensor
    constraint: float = 0.0
    part: float = 1.0

    def delta(self, weight: Tensor) -> Tensor:
        turn = cayley(beside(weight, self.blocks), self.constraint)
        rows = _rows(weight)
        blocks = rows.reshape(*turn.shape[:2], rows.shape[1])
        # Trainers of these files multiply from the right, y = R'x: the transposed turn.
        return (turn.mT @ blocks).reshape(weight.shape) * self.part


@dataclass(frozen=True, eq=False)
class ButterflyRotation:
    """BOFT: several levels of block rotations, each of outputs twice as far apart (Liu et al. 2023, arXiv 2311.06243).

    ``blocks``: [levels, count, size, size]; ``rescale``: [out, 1, ...], the outputs' lengths after the turn.
    ``constraint`` and ``part`` as for OFT; each level goes its part of the way.
    """

    blocks: Tensor
    rescale: Tensor | None = None
    constraint: float = 0.0
    part: float = 1.0

    def delta(self, weight: Tensor) -> Tensor:
        turns = cayley(beside(weight, self.blocks), self.constraint)
        turned = old = _rows(weight)
        for level, turn in enumerate(turns):
            turned = self._level(turned, turn, level)
        if self.rescale is not None:
            turned = turned * beside(weight, self.rescale).reshape(-1, 1)
        return (turned - old).reshape(weight.shape)

    def _level(self, rows: Tensor, turn: Tensor, level: int) -> Tensor:
        """A block takes outputs ``distance`` apart, in pairs: the permutation of the paper's factor of this level."""
        distance = turn.shape[-1] // 2 * 2**level
        columns = rows.shape[1]
        paired = rows.reshape(-1, 2, distance, columns).transpose(1, 2)
        blocks = paired.reshape(*turn.shape[:2], columns)
        turned = blocks + self.part * (turn @ blocks)
        return turned.reshape(paired.shape).transpose(1, 2).reshape(rows.shape)


def cayley(blocks: Tensor, constraint: float) -> Tensor:
    """R - I for the rotations R = (I + Q)(I - Q)^-1 of the blocks' skew parts Q = B - B' (Cayley's transform).

    ``constraint``: the largest norm that all Q together keep; larger ones are scaled down to it. 0: no limit.
    """
    skew = blocks - blocks.mT
    if constraint > 0:
        skew = skew * (constraint / (torch.linalg.vector_norm(skew) + 1e-8)).clamp(max=1)
    one = torch.eye(skew.shape[-1], dtype=skew.dtype, device=skew.device)
    # (I + Q)(I - Q)^-1 - I = 2Q (I - Q)^-1, and the two factors commute.
    turn: Tensor = torch.linalg.solve(one - skew, 2 * skew)
    return turn


def at_strength(layer: Layer, strength: float) -> Layer:
    """``layer`` for this strength: rotations go that part of the way, and others have the same difference at any.

    The patch multiplies the difference by the strength all the same, so a whole turn is at strength 1 alone, and OFT
    changes by the strength's square. ComfyUI 0.3.64 has it so.
    """
    match layer:
        case BlockRotation() | ButterflyRotation():
            return replace(layer, part=strength)
        case Magnitude():
            return replace(layer, layer=at_strength(layer.layer, strength))
        case SetTo():
            return replace(layer, part=1 / strength)
        case RowsOf():
            return replace(layer, layer=at_strength(layer.layer, strength))
        case Within():
            return Within(tuple((rows, at_strength(part, strength)) for rows, part in layer.parts))
        case _:
            return layer


def _rows(weight: Tensor) -> Tensor:
    return weight.reshape(weight.shape[0], -1)
