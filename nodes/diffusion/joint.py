"""Forward passes of several sampling calls as one: rows of a batch may be at different steps of different jobs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.turns import Turns
from nodes.diffusion import unet
from nodes.diffusion.unet import ControlResiduals
from nodes.hooks import UNetPatches

# Beyond this many latent pixels in one pass (16 rows of 512x512 px, or 4 of 1024x1024), a GPU is busy with one job.
MOST_PX = 2**16


@dataclass(frozen=True, slots=True, eq=False)
class UNetPass:
    """One call of a UNet; see :func:`nodes.diffusion.unet.predict`."""

    module: Any
    x: Tensor
    timestep: Tensor
    context: Tensor
    y: Tensor | None
    control: ControlResiduals | None
    patches: UNetPatches
    rows: tuple[int, ...]
    sigma: float

    @property
    def kind(self) -> Hashable | None:
        """Equal for passes that can be one; None for a pass whose hooks look at one job's step."""
        if self.patches != UNetPatches():
            return None
        width = None if self.y is None else self.y.shape[1]
        control = None if self.control is None else _form(self.control)
        return self.module, self.x.shape[1:], self.context.shape[1:], self.x.dtype, self.context.dtype, width, control


def forward(one: UNetPass, turns: Turns) -> Tensor:
    """What the network predicts, computed together with passes of other jobs where there are any that fit."""
    kind = one.kind
    if kind is None:
        return _forward_alone(one)
    rows, _, height, width = one.x.shape
    return turns.together(kind, one, _forward_all, share=rows * height * width / MOST_PX)


def _forward_all(passes: Sequence[UNetPass]) -> Sequence[Tensor]:
    if len(passes) == 1:
        return [_forward_alone(passes[0])]
    ys = [one.y for one in passes if one.y is not None]
    made = unet.predict(
        passes[0].module,
        torch.cat([one.x for one in passes]),
        torch.cat([one.timestep for one in passes]),
        torch.cat([one.context for one in passes]),
        y=torch.cat(ys) if ys else None,
        control=_joined(passes),
    )
    return torch.split_with_sizes(made, [one.x.shape[0] for one in passes])


def _form(control: ControlResiduals) -> Hashable:
    """Equal for residuals that can be joined."""
    parts = (*control.skips, None, control.middle, None, *control.inputs)
    return len(control.skips), tuple(None if part is None else part.shape[1:] for part in parts)


def _joined(passes: Sequence[UNetPass]) -> ControlResiduals | None:
    """The residuals of all passes, which have one form, row by row."""
    controls = [one.control for one in passes if one.control is not None]
    if not controls:
        return None
    rows = [one.x.shape[0] for one in passes]

    def join(parts: Sequence[Tensor | None]) -> Tensor | None:
        given = [
            part.expand(count, *part.shape[1:]) for part, count in zip(parts, rows, strict=True) if part is not None
        ]
        return torch.cat(given) if given else None

    return ControlResiduals(
        tuple(join(parts) for parts in zip(*(one.skips for one in controls), strict=True)),
        join([one.middle for one in controls]),
        tuple(join(parts) for parts in zip(*(one.inputs for one in controls), strict=True)),
    )


def _forward_alone(one: UNetPass) -> Tensor:
    return unet.predict(
        one.module,
        one.x,
        one.timestep,
        one.context,
        y=one.y,
        control=one.control,
        patches=one.patches,
        rows=one.rows,
        sigma=one.sigma,
    )
