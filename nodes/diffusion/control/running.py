"""Runs the ControlNets of a prompt at each step, and adds up what they give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from torch import Tensor

from engine.context import Context
from nodes.diffusion import residuals
from nodes.diffusion.control.adapters import hint_multiple_px
from nodes.diffusion.control.network import control_residuals
from nodes.diffusion.latents import resize
from nodes.diffusion.parameterization import Parameterization
from nodes.diffusion.passes import ControlCall, ControlFunction
from nodes.diffusion.unet import ControlResiduals
from nodes.latent_space import PIXELS_PER_LATENT
from nodes.values import Control, ControlNet

_HINT_METHOD = "nearest-exact"

ModuleKey = tuple[str, ...]


def _key(net: ControlNet) -> ModuleKey:
    return (net.weights.key, *(patch.key for patch in net.weight_patches))


def lease(
    ctx: Context, chains: Iterable[Control], parameterization: Parameterization, leases: ExitStack
) -> ControlFunction:
    """A function that runs any of the ``chains`` for one forward pass, with their networks held until ``leases`` ends.

    Control networks with the same weights are lent once, whatever prompts and pictures they serve.
    """
    modules: dict[ModuleKey, Any] = {}
    for control in {id(link): link for chain in chains for link in links(chain)}.values():
        net = control.net
        if _key(net) not in modules:
            modules[_key(net)] = leases.enter_context(ctx.models.lease(net.weights, net.weight_patches))
    return ControlRunner(modules, parameterization)


class ControlRunner:
    """The control networks of one sampling call, by the key of their weights."""

    def __init__(self, modules: dict[ModuleKey, Any], parameterization: Parameterization) -> None:
        self._modules = modules
        self._parameterization = parameterization
        self._hints: dict[tuple[int, int, int], Tensor] = {}

    def __call__(self, control: Control, call: ControlCall) -> ControlResiduals | None:
        """The sum of what the chain's networks add, each at its strength and within its range; ``None`` for nothing."""
        total: ControlResiduals | None = None
        for link in links(control):
            if self._active(link, call.sigma):
                module = self._modules[_key(link.net)]
                given = control_residuals(
                    link.net,
                    module,
                    call.x,
                    self._hint(link, call, hint_multiple_px(module) if link.net.kind == "t2i_adapter" else 1),
                    call.timestep,
                    call.inputs["context"],
                    call.inputs.get("y"),
                )
                own = residuals.scaled(given, link.strength)
                total = own if total is None else residuals.added(total, own)
        return total

    def _active(self, link: Control, sigma: float) -> bool:
        first = self._parameterization.percent_to_sigma(link.start_percent)
        last = self._parameterization.percent_to_sigma(link.end_percent)
        return last <= sigma <= first

    def _hint(self, link: Control, call: ControlCall, multiple_px: int) -> Tensor:
        """The link's picture at the size (sides rounded up) and batch of this pass, made once a size."""
        sides_px = (side * PIXELS_PER_LATENT for side in call.x.shape[-2:])
        height, width = (-(-side // multiple_px) * multiple_px for side in sides_px)
        key = (id(link), height, width)
        if key not in self._hints:
            self._hints[key] = resize(link.hint, width, height, _HINT_METHOD, crop=True).to(call.x.device)
        return _fit_batch(self._hints[key], call.x.shape[0] // call.groups, call.groups)


def links(control: Control | None) -> Iterator[Control]:
    """A control and those before it in its chain."""
    while control is not None:
        yield control
        control = control.previous


def _fit_batch(hint: Tensor, per_group: int, groups: int) -> Tensor:
    """Pictures for each item of each group: cut or repeated in turn; a single one serves all by itself."""
    if hint.shape[0] == 1:
        return hint
    repeats = -(-per_group // hint.shape[0])
    return hint.repeat(repeats, 1, 1, 1)[:per_group].repeat(groups, 1, 1, 1)
