"""ControlNets of Z-Image by Alibaba PAI ("Fun"): blocks like the model's own, beside its refiner and every few blocks.

https://github.com/aigc-apps/VideoX-Fun
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from diffusers.models.controlnets.controlnet_z_image import ZImageControlTransformerBlock
from torch import Tensor, nn

from engine.errors import InputInvalid
from nodes.diffusion.block_hooks import State
from nodes.diffusion.companions import Canvas
from nodes.diffusion.control.call import for_rows
from nodes.diffusion.latents import resize
from nodes.diffusion.name_map import NameMap, whole
from nodes.diffusion.tokens import to_tokens
from nodes.diffusion.transformers import weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.marks import Shapes
from nodes.families.z_image import FAMILY, FUN_CONTROL
from nodes.families.z_image.denoiser import HEAD_WIDTH, PATCH, run_block
from nodes.hooks import HookSite, NetworkPatches
from nodes.values import Companion, ModelPatch

# Blocks of the published model, over which the network's are spread.
BLOCKS = 30
# The files of this depth are of two releases, one of which runs its layers in the refiner's place, whose own are zero.
DEEP = 15
EPSILON = 1e-5


class FunControl(nn.Module):
    """``layers``: beside every few blocks; ``refiners``: blocks that, if ``adds_early``, add to the model's refiner."""

    def __init__(self, patch_width: int, width: int, layers: int, refiners: int, adds_early: bool) -> None:
        super().__init__()
        self.control_all_x_embedder = nn.ModuleDict({"2-1": nn.Linear(patch_width, width)})
        heads = width // HEAD_WIDTH

        def block(number: int, adds: bool) -> nn.Module:
            made: nn.Module = ZImageControlTransformerBlock(number, width, heads, heads, EPSILON, True, block_id=number)
            for name in () if adds else ("before_proj", "after_proj"):
                if hasattr(made, name):
                    delattr(made, name)
            return made

        self.control_noise_refiner = nn.ModuleList(block(number, adds_early) for number in range(refiners))
        self.control_layers = nn.ModuleList(block(number, True) for number in range(layers))


def load(view: WeightView, kind: str) -> ModelPatch:
    """The network in ``view``, which is all of its file."""
    width, patch_width = view.shape("control_all_x_embedder.2-1.weight")
    make = partial(
        FunControl,
        patch_width,
        width,
        view.count("control_layers"),
        view.count("control_noise_refiner"),
        "control_noise_refiner.0.after_proj.weight" in view,
    )

    def names(shapes: Shapes) -> NameMap:
        return NameMap(native=whole((name, name) for name in shapes))

    return ModelPatch(weights_of(kind, view, make, names), FUN_CONTROL)


def fits(shapes: Shapes, network: Shapes) -> bool:
    """Whether a network of tensors of ``shapes`` was made for a model's network."""
    embedder = network.get("all_x_embedder.2-1.weight", ())
    return shapes["control_all_x_embedder.2-1.weight"][:1] == embedder[:1]


def patches(companion: Companion, module: Any, canvas: Canvas) -> NetworkPatches:
    """The hook that adds to the tokens of the refiner and of the blocks."""
    embed = module.control_all_x_embedder["2-1"]
    latent = _seen(companion, canvas, embed.weight.shape[1] // PATCH**2 > FAMILY.space.channels)
    seen = embed(to_tokens(latent.to(embed.weight), PATCH, "pixels first"))
    return NetworkPatches(around_block=(_Added(module, seen, companion.strength),))


def _seen(companion: Companion, canvas: Canvas, takes_inpaint: bool) -> Tensor:
    """The control picture's latent; for networks that fill in, also what is to be kept and the latent of that."""
    grey = torch.full((1, canvas.height_px, canvas.width_px, 3), 0.5)
    image, inpaint = companion.image, companion.inpaint_image
    if image is None and (inpaint is None or not takes_inpaint):
        raise InputInvalid("this model patch reads a picture", input="image", remedy="connect a picture")
    latent = canvas.encode(grey if image is None else canvas.resized(image))
    if not takes_inpaint:
        return latent
    base = grey if inpaint is None else canvas.resized(inpaint)
    kept = torch.zeros_like(latent[:, :1])
    if companion.mask is not None:
        mask = 1 - companion.mask[:, None]
        base = (base - 0.5) * _sized(mask, base.shape[1], base.shape[2], "bilinear").movedim(1, -1).round() + 0.5
        kept = _sized(mask, latent.shape[-2], latent.shape[-1], "nearest").to(latent)
    parts = [latent, kept, canvas.encode(base)]
    rows = max(part.shape[0] for part in parts)
    return torch.cat([part.expand(rows, -1, -1, -1) for part in parts], dim=1)


def _sized(mask: Tensor, height: int, width: int, method: str) -> Tensor:
    return resize(mask, width, height, method, crop=True)


class _Added:
    """A :class:`nodes.hooks.BlockWrapper` that goes along with one pass after the other; ``seen``: picture tokens."""

    def __init__(self, module: Any, seen: Tensor, strength: float) -> None:
        self._module, self._seen, self._strength = module, seen, strength
        self._stream = seen
        self._layer = -1
        layers, refiners = module.control_layers, module.control_noise_refiner
        self._every = round(BLOCKS / len(layers))
        self._adds_early = hasattr(refiners[0], "after_proj")
        self._skips_refiner = self._adds_early and len(layers) == DEEP and not bool(refiners[0].after_proj.weight.any())

    def __call__(self, run: Callable[[State], State], state: State, site: HookSite) -> State:
        made = run(state)
        count = self._seen.shape[1]
        x, turns, time = state["image"][:, :count].to(self._seen), state["turns"][:count], state["time"].to(self._seen)

        def through(block: Any, adds: bool = True) -> Tensor | None:
            if block.block_id == 0 and adds:
                self._stream = block.before_proj(self._stream) + x
            self._stream = run_block(block, self._stream, turns, time)
            return block.after_proj(self._stream) if adds else None

        if site.stage == "refiner":
            if site.block == 0:
                self._stream, self._layer = for_rows(self._seen, x.shape[0], len(site.rows)), -1
            added = self._refined(site.block, through)
        else:
            added = self._layered(site.block, through)
        if added is None:
            return made
        image = made["image"]
        own = image[:, :count] + added.to(image) * self._strength
        return {**made, "image": torch.cat([own, image[:, count:]], dim=1)}

    def _refined(self, number: int, through: Callable[..., Tensor | None]) -> Tensor | None:
        layers, refiners = self._module.control_layers, self._module.control_noise_refiner
        if not self._adds_early:
            for block in refiners if number == 0 else ():
                through(block, adds=False)
            return None
        if not self._skips_refiner:
            return through(refiners[number])
        if number == 0:
            return through(layers[0])
        added, *_ = [through(block) for block in layers[1:]]
        return added

    def _layered(self, number: int, through: Callable[..., Tensor | None]) -> Tensor | None:
        layers, added = self._module.control_layers, None
        if number / self._every > len(layers) - 1:
            return None
        while self._layer < number // self._every:
            self._layer += 1
            added = through(layers[self._layer])
        return added
