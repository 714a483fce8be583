"""Forward passes of several sampling calls as one: rows of a batch may be at different steps of different jobs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.device_scheduler import DeviceScheduler
from nodes.diffusion import residuals
from nodes.diffusion.inputs import Inputs, form, join, values
from nodes.hooks import Call, NetworkPatches, NetworkWrapper

if TYPE_CHECKING:
    from nodes.families.parts import Step

# Beyond this many latent pixels in one pass (16 rows of 512x512 px, or 4 of 1024x1024), a GPU is busy with one job.
MOST_PX = 2**16


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One call of a network: its family's ``step``, and what that is given, ``inputs`` joined over the rows."""

    step: Step
    module: Any
    x: Tensor
    timestep: Tensor
    inputs: Inputs
    call: Call

    @property
    def kind(self) -> Hashable | None:
        """Equal for passes that can be one; None for a pass whose hooks look at one job's step."""
        inputs = form(self.inputs)
        if self.call.patches != NetworkPatches() or inputs is None:
            return None
        control = None if self.call.control is None else residuals.form(self.call.control)
        shapes = tuple(shape[1:] for shape in self.call.shapes)
        return self.module, self.step, self.x.shape[1:], shapes, self.x.dtype, inputs, control


def forward(one: Pass, turns: DeviceScheduler) -> Tensor:
    """What the network predicts, computed together with passes of other jobs where there are any that fit."""
    kind = one.kind
    if kind is None:
        return _alone(one)
    return turns.together(kind, one, all_at_once, share=one.x[:, 0].numel() / MOST_PX)


def all_at_once(passes: Sequence[Pass]) -> Sequence[Tensor]:
    """What the network predicts for each of ``passes``, which are of one kind, in one forward pass."""
    if len(passes) == 1:
        return [_alone(passes[0])]
    rows = [one.x.shape[0] for one in passes]
    controls = [one.call.control for one in passes]
    whole = replace(
        passes[0],
        x=torch.cat([one.x for one in passes]),
        timestep=torch.cat([one.timestep for one in passes]),
        inputs=join([one.inputs for one in passes]),
        call=Call(
            control=None if controls[0] is None else residuals.joined(controls, rows), shapes=passes[0].call.shapes
        ),
    )
    return torch.split_with_sizes(_alone(whole), rows)


def _alone(one: Pass) -> Tensor:
    def step(x: Tensor) -> Tensor:
        return one.step(one.module, x, one.timestep, values(one.inputs), one.call)

    run: Callable[[Tensor], Tensor] = step
    for wrapper in reversed(one.call.patches.around_network):
        run = partial(_within, wrapper, run, one.call)
    return run(one.x)


def _within(wrapper: NetworkWrapper, run: Callable[[Tensor], Tensor], call: Call, x: Tensor) -> Tensor:
    return wrapper(run, x, call)
