"""What a ControlNet sees of one forward pass of the network that it controls."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.latents import resize
from nodes.latent_space import LatentSpace
from nodes.values import Control, Vae

HINT_METHOD = "nearest-exact"
_PICTURE = LatentSpace(4)


def _no_vae(vae: Vae, pixels: Tensor) -> Tensor:
    raise NotImplementedError("this network reads pictures, and was called without what encodes them")


@dataclass(frozen=True, slots=True, eq=False)
class ControlCall:
    """One pass over ``groups`` prompts of equal batch size, whose rows follow one another.

    ``x``: the noisy latent, scaled for the network; ``timestep``: [rows]; ``inputs``: what else the network gets, all
    rows; ``sigma``: the noise level; ``space``: of the latent. ``encode``: pictures, float[batch, height, width, 3] in
    0..1, to latents. ``kept``: what is made once a sampling call. ``network``: the one that is controlled, lent.
    """

    x: Tensor
    timestep: Tensor
    inputs: Mapping[str, Any]
    groups: int
    sigma: float
    space: LatentSpace = _PICTURE
    encode: Callable[[Vae, Tensor], Tensor] = _no_vae
    kept: MutableMapping[Hashable, Tensor] = field(default_factory=dict)
    network: Any = None

    def once(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """What ``make`` makes at the first call with ``key``."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def hint(self, control: Control, multiple_px: int = 1) -> Tensor:
        """The control's picture, [rows or 1, 3, height, width], at the size of the latent's, its sides rounded up."""
        sides = self.space.size_px(self.x)
        height, width = (-(-side // multiple_px) * multiple_px for side in sides)

        def resized() -> Tensor:
            return resize(control.hint, width, height, HINT_METHOD, crop=True).to(self.x.device)

        return self.for_rows(self.once((id(control), height, width), resized))

    def for_rows(self, items: Tensor) -> Tensor:
        """``items`` for each row of each group: cut or repeated in turn; a single one serves all by itself."""
        return for_rows(items, self.x.shape[0], self.groups)

    def latent_hint(self, control: Control, prepare: Callable[[Tensor], Tensor] = lambda pixels: pixels) -> Tensor:
        """The control's picture as the VAE's latent, [rows or 1, channels, height, width].

        ``prepare``: what is done to the picture before, [batch, 3, height, width]. Raises ``InputInvalid`` where the
        control has no VAE.
        """
        vae = control.vae
        if vae is None:
            raise InputInvalid(
                "this ControlNet reads its picture as a latent, and was given no VAE",
                input="vae",
                remedy="connect the model's VAE to the node that applies the ControlNet",
            )
        height, width = self.space.size_px(self.x)

        def encoded() -> Tensor:
            pixels = prepare(resize(control.hint, width, height, HINT_METHOD, crop=True))
            return self.encode(vae, pixels.movedim(1, -1)).to(self.x.device)

        return self.for_rows(self.once((id(control), "latent", height, width), encoded))


def for_rows(items: Tensor, rows: int, groups: int) -> Tensor:
    """``items`` for each row of each of ``groups``: cut or repeated in turn; a single one serves all by itself."""
    if items.shape[0] == 1:
        return items
    per_group = rows // groups
    repeats, rest = -(-per_group // items.shape[0]), (1,) * (items.ndim - 1)
    return items.repeat(repeats, *rest)[:per_group].repeat(groups, *rest)


ControlFunction = Callable[[Control, ControlCall], Any]
"""What the ControlNets of a chain add to one forward pass, in the form that the family's networks take, or None."""
