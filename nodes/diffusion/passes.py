"""Runs the network over all prompts that count at a noise level, in as few forward passes as memory allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.device_scheduler import DeviceScheduler
from engine.errors import DeviceMemoryExhausted
from nodes.diffusion import joint
from nodes.diffusion.control.call import ControlCall, ControlFunction
from nodes.diffusion.inputs import Inputs, can_share, join, values
from nodes.diffusion.joint import Pass
from nodes.diffusion.nested import Shapes
from nodes.diffusion.regions import Placed
from nodes.hooks import Call, NetworkPatches
from nodes.values import Model

TINY = 1e-37


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """One prompt to evaluate: for which role, on which crop of x, and how much its pixels count."""

    role: int
    entry: Placed
    x: Tensor
    weight: Tensor

    @property
    def inputs(self) -> Inputs:
        return self.entry.inputs if self.entry.box is None else self.entry.box.cut_inputs(self.entry.inputs)


class Network:
    """A model's leased network for one sampling call; ``control`` runs the ControlNets that prompts ask for.

    ``turns``: at the device, with other runs' passes. ``shapes``: of the latent's parts, where there are several.
    """

    def __init__(
        self,
        module: Any,
        model: Model,
        control: ControlFunction | None = None,
        turns: DeviceScheduler | None = None,
        shapes: Shapes = (),
    ) -> None:
        self._module = module
        self._parameterization = model.parameterization
        self._patches = model.patches
        self._step = model.family.denoiser.step
        self._control = control
        self._turns = turns or DeviceScheduler()
        self._shapes = shapes
        self._most_together = 2**31

    def predict(
        self,
        roles: Mapping[int, Sequence[Placed] | None],
        x: Tensor,
        sigma: Tensor,
        patches: NetworkPatches | None = None,
    ) -> dict[int, Tensor]:
        """The prediction of the clean latent for each role, averaged over its prompts by weight.

        ``roles``: entries by role number (0 = positive, 1 = negative, others as the guidance likes); None is left
        out. ``x``: float32[batch, channels, *grid]; ``sigma``: float32[batch]. A role of which nothing counts
        at this sigma comes out as zeros.
        """
        passes = self._passes(roles, x, sigma)
        sums = {role: torch.zeros_like(x) for role, entries in roles.items() if entries is not None}
        weights = {role: torch.full_like(x, TINY) for role in sums}
        hooks = self._patches if patches is None else self._patches + patches
        while passes:
            # The last come first: rounding depends on the place in a batch, and this is the order in ComfyUI.
            together = [p for p in passes if _can_share(p, passes[0])][::-1][: self._most_together]
            passes = [p for p in passes if p not in together]
            for one, output in zip(together, self._forward_fitting(together, sigma, hooks), strict=True):
                box = one.entry.box
                total, weight = sums[one.role], weights[one.role]
                if box is not None:
                    total, weight = box.cut(total), box.cut(weight)
                total += output * one.weight
                weight += one.weight
        return {role: total / weights[role] for role, total in sums.items()}

    def _passes(self, roles: Mapping[int, Sequence[Placed] | None], x: Tensor, sigma: Tensor) -> list[_Pass]:
        now = float(sigma[0])
        passes: list[_Pass] = []
        for role, entries in roles.items():
            active = [entry for entry in entries or () if entry.active(now)]
            ordinary = [_Pass(role, e, _crop(x, e), e.weight(x)) for e in active if not e.default]
            passes += ordinary
            if defaults := [entry for entry in active if entry.default]:
                rest = _uncovered(ordinary, x)
                if bool((rest > 0).any()):
                    passes += [
                        _Pass(role, e, _crop(x, e), rest if e.box is None else e.box.cut(rest)) for e in defaults
                    ]
        return passes

    def _forward_fitting(self, together: Sequence[_Pass], sigma: Tensor, hooks: NetworkPatches) -> list[Tensor]:
        """Forward all at once, or by halves where the device has too little memory for that."""
        try:
            return list(self._forward(together, sigma, hooks))
        except torch.OutOfMemoryError as error:
            if len(together) == 1:
                raise DeviceMemoryExhausted(
                    "the device's memory does not hold one denoising step", remedy="use a smaller picture or batch"
                ) from error
        half = (len(together) + 1) // 2
        self._most_together = half
        return [
            output
            for part in (together[:half], together[half:])
            for output in self._forward_fitting(part, sigma, hooks)
        ]

    def _forward(self, together: Sequence[_Pass], sigma: Tensor, hooks: NetworkPatches) -> tuple[Tensor, ...]:
        batch = together[0].x.shape[0]
        x = torch.cat([one.x for one in together])
        sigmas = sigma.to(x.device).repeat(len(together))
        network_x = self._parameterization.scale_input(sigmas, x)
        inputs = join([one.inputs for one in together], batch)
        timestep = self._parameterization.timestep(sigma).to(x.device).repeat(len(together))
        now = float(sigma[0])
        residuals = None
        if (chain := together[0].entry.control) is not None and self._control is not None:
            seen = ControlCall(network_x, timestep, values(inputs), len(together), now, network=self._module)
            residuals = self._control(chain, seen)
        prompts = tuple(one.entry for one in together)
        call = Call(hooks, tuple(one.role for one in together), now, residuals, self._shapes, prompts)
        whole = Pass(self._step, self._module, network_x, timestep, inputs, call)
        output = joint.forward(whole, self._turns)
        return self._parameterization.denoised(sigmas, output.float(), x).chunk(len(together))


def _crop(x: Tensor, entry: Placed) -> Tensor:
    return x if entry.box is None else entry.box.cut(x)


def _uncovered(passes: Sequence[_Pass], x: Tensor) -> Tensor:
    """What of each pixel the other prompts leave to the default ones."""
    rest = torch.ones_like(x)
    for one in passes:
        view = rest if one.entry.box is None else one.entry.box.cut(rest)
        view -= one.weight
    return rest.clamp(min=0)


def _can_share(one: _Pass, other: _Pass) -> bool:
    return (
        one.x.shape == other.x.shape
        and one.entry.control is other.entry.control
        and can_share(one.inputs, other.inputs)
    )
