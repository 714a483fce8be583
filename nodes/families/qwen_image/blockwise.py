"""DiffSynth's ControlNets of Qwen-Image: a small network beside each block of the model.

https://github.com/modelscope/DiffSynth-Studio, the block-wise ControlNets of Qwen-Image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import InputInvalid
from nodes.diffusion.block_hooks import State
from nodes.diffusion.companions import Canvas
from nodes.diffusion.control.call import for_rows
from nodes.diffusion.latents import resize
from nodes.diffusion.name_map import NameMap, whole
from nodes.diffusion.transformers import weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.marks import Shapes
from nodes.families.qwen_image import BLOCKWISE
from nodes.families.qwen_image.denoiser import PATCH, frames_to_tokens
from nodes.hooks import HookSite, NetworkPatches
from nodes.values import Companion, ModelPatch


class ControlBlock(nn.Module):
    """What is added to the picture's tokens behind one block, from them and the control picture's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.x_rms = nn.RMSNorm(width, eps=1e-6)
        self.y_rms = nn.RMSNorm(width, eps=1e-6)
        self.input_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)

    def forward(self, image: Tensor, seen: Tensor) -> Tensor:
        """[rows, tokens, width] both; ``seen`` may be of one row."""
        made: Tensor = self.output_proj(F.gelu(self.input_proj(self.x_rms(image) + self.y_rms(seen))))
        return made


class BlockwiseControl(nn.Module):
    """One :class:`ControlBlock` for each of the model's first ``layers``; ``patch_width``: of the control's tokens."""

    def __init__(self, patch_width: int, width: int, layers: int) -> None:
        super().__init__()
        self.img_in = nn.Linear(patch_width, width)
        self.controlnet_blocks = nn.ModuleList(ControlBlock(width) for _ in range(layers))


def load(view: WeightView, kind: str) -> ModelPatch:
    """The network in ``view``, which is all of its file."""
    width, patch_width = view.shape("img_in.weight")
    layers = view.count("controlnet_blocks")

    def names(shapes: Shapes) -> NameMap:
        return NameMap(native=whole((name, name) for name in shapes))

    return ModelPatch(weights_of(kind, view, lambda: BlockwiseControl(patch_width, width, layers), names), BLOCKWISE)


def fits(shapes: Shapes, network: Shapes) -> bool:
    """Whether a network of tensors of ``shapes`` was made for a model's network."""
    is_qwen = "transformer_blocks.0.attn.add_q_proj.weight" in network
    return is_qwen and shapes["img_in.weight"][:1] == network.get("img_in.weight", ())[:1]


def patches(companion: Companion, module: Any, canvas: Canvas) -> NetworkPatches:
    """The hook that adds to each block's tokens."""
    if companion.image is None:
        raise InputInvalid("this model patch reads a picture", input="image", remedy="connect a picture")
    weight = module.img_in.weight
    latent = canvas.encode(canvas.resized(companion.image))
    if (masks := weight.shape[1] // PATCH**2 - latent.shape[1]) > 0:
        latent = torch.cat([latent, _mask(companion.mask, latent, masks)], dim=1)
    return NetworkPatches(
        around_block=(_Added(module, module.img_in(frames_to_tokens(latent.to(weight))), companion.strength),)
    )


def _mask(mask: Tensor | None, latent: Tensor, channels: int) -> Tensor:
    """What of the picture holds, as large as ``latent``: all of it, or what the mask does not cover."""
    if mask is None:
        return torch.ones_like(latent[:, :channels])
    kept = resize(1 - mask[:, None], latent.shape[-1], latent.shape[-2], "bilinear")[:, :, None]
    return kept.expand(latent.shape[0], channels, latent.shape[2], -1, -1)


class _Added:
    """A :class:`nodes.hooks.BlockWrapper`; ``seen``: the control picture's tokens."""

    def __init__(self, module: Any, seen: Tensor, strength: float) -> None:
        self._blocks, self._seen, self._strength = module.controlnet_blocks, seen, strength

    def __call__(self, run: Callable[[State], State], state: State, site: HookSite) -> State:
        made = run(state)
        if site.block >= len(self._blocks):
            return made
        image, count = made["image"], self._seen.shape[1]
        own = image[:, :count]
        seen = for_rows(self._seen, image.shape[0], len(site.rows))
        added = self._blocks[site.block](own.to(seen), seen)
        own = own + added.to(own) * self._strength
        return {**made, "image": torch.cat([own, image[:, count:]], dim=1)}
