"""Runs the ControlNets of a prompt at each step, and adds up what they give."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from torch import Tensor

from engine.context import Context
from engine.errors import InputInvalid
from engine.model_store import ModelStore
from nodes.diffusion import residuals, vae
from nodes.diffusion.control.call import ControlCall, ControlFunction
from nodes.values import Control, ControlNet, Model

ModuleKey = tuple[str, ...]


def _key(net: ControlNet) -> ModuleKey:
    return (net.weights.key, *(patch.key for patch in net.weight_patches))


def check_fit(models: ModelStore, control: Control, model: Model, role: str) -> None:
    """Raise InputInvalid, naming the conditioning ``role``, where a network of the chain does not fit ``model``."""
    network = models.shapes(model.weights)
    for link in links(control):
        if not link.net.kind.part.fits(models.shapes(link.net.weights), link.net, model, network):
            raise InputInvalid(
                f"a ControlNet of this prompt does not fit the model, which is of the family {model.family.title}",
                input=role,
                remedy="load a ControlNet made for this model's family in ControlNetLoader",
            )


def lease(ctx: Context, chains: Iterable[Control], model: Model, leases: ExitStack) -> ControlFunction:
    """A function that runs any of the ``chains`` for one forward pass, with their networks held until ``leases`` ends.

    Control networks with the same weights are lent once, whatever prompts and pictures they serve.
    """
    modules: dict[ModuleKey, Any] = {}
    for control in {id(link): link for chain in chains for link in links(chain)}.values():
        net = control.net
        if _key(net) not in modules:
            modules[_key(net)] = leases.enter_context(ctx.models.lease(net.weights, net.weight_patches))
    return ControlRunner(ctx, modules, model)


class ControlRunner:
    """The control networks of one sampling call, by the key of their weights."""

    def __init__(self, ctx: Context, modules: dict[ModuleKey, Any], model: Model) -> None:
        self._ctx = ctx
        self._modules = modules
        self._model = model
        self._kept: dict[Hashable, Tensor] = {}

    def __call__(self, control: Control, call: ControlCall) -> Any:
        """The sum of what the chain's networks add, each at its strength and within its range; ``None`` for nothing."""
        call = replace(
            call, space=self._model.space, kept=self._kept, encode=lambda of, pixels: vae.encode(self._ctx, of, pixels)
        )
        total: Any = None
        for link in links(control):
            if not self._active(link, call.sigma):
                continue
            given = link.net.kind.part.residuals(link, self._modules[_key(link.net)], call)
            own = residuals.scaled(given, link.strength)
            total = own if total is None else residuals.added(total, own)
        return total

    def _active(self, link: Control, sigma: float) -> bool:
        levels = self._model.parameterization
        return levels.percent_to_sigma(link.end_percent) <= sigma <= levels.percent_to_sigma(link.start_percent)


def links(control: Control | None) -> Iterator[Control]:
    """A control and those before it in its chain."""
    while control is not None:
        yield control
        control = control.previous
