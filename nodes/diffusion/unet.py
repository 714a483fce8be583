"""One pass through a UNet, block by block, with hooks and ControlNet residuals where the published layout has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.downsampling import Downsample2D
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.upsampling import Upsample2D
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.attention import AttentionSite, transform
from nodes.diffusion.backend import current
from nodes.hooks import BlockPatch, HookSite, NetworkPatches, Stage


@dataclass(frozen=True, slots=True)
class ControlResiduals:
    """What ControlNets and T2I adapters add to a UNet's activations; tensors are [batch or 1, channels, height, width].

    ``skips``: one entry an input block, in order, added to the skip when an output block reads it. ``middle``: added
    after the middle block. ``inputs``: one entry an input block, added to its output before it is kept as a skip
    (T2I adapters). An entry of None adds nothing; a tuple that is too short adds nothing to the rest.
    """

    skips: tuple[Tensor | None, ...] = ()
    middle: Tensor | None = None
    inputs: tuple[Tensor | None, ...] = ()


NO_PATCHES = NetworkPatches()
NO_CONTROL = ControlResiduals()


def predict(
    unet: Any,
    x: Tensor,
    timestep: Tensor,
    context: Tensor,
    *,
    y: Tensor | None = None,
    control: ControlResiduals | None = None,
    patches: NetworkPatches = NO_PATCHES,
    rows: tuple[int, ...] = (0,),
    sigma: float = 0.0,
) -> Tensor:
    """What a diffusers UNet predicts: [batch, out_channels, height, width] in the network's own dtype.

    ``x``: [batch, in_channels, height, width], scaled for the network, of any height and width; ``timestep``: [batch],
    fractions allowed; ``context``: [batch, tokens, width]; ``y``: SDXL's vector, [batch, width]. ``rows`` and
    ``sigma`` are passed on to the hooks (see :class:`nodes.hooks.HookSite`). The module is only read.
    """
    weight = unet.conv_in.weight
    x, context = (given.to(weight.device, weight.dtype) for given in (x, context))
    embedding = embed(unet, timestep.to(weight.device), y)
    walk = Walk(embedding, context, patches, (x.shape[-2], x.shape[-1]), rows, sigma)
    control = control or NO_CONTROL
    deep = patches.deep[-1] if patches.deep else None
    known = None if deep is None else deep.recall(x.shape, rows, sigma)
    inputs, outputs = input_blocks(unet), output_blocks(unet)
    # The output block that reads the skip of this input block is the first after the inner ones.
    outermost = len(inputs) - 1 if deep is None else min(deep.depth, len(inputs) - 1)
    skips: list[Tensor] = []
    hidden: Tensor = x
    for block, parts in enumerate(inputs if known is None else inputs[: outermost + 1]):
        hidden = _added(walk.run(parts, hidden, "input", block), _at(control.inputs, block))
        hidden = walk.hook(patches.after_input, hidden, "input", block)
        skips.append(hidden)
        hidden = walk.hook(patches.after_input_skip, hidden, "input", block)
    if known is None:
        hidden = _added(walk.run(middle_parts(unet), hidden, "middle", 0), control.middle)
        hidden = walk.hook(patches.after_middle, hidden, "middle", 0)
    else:
        hidden = known
    for block, parts in enumerate(outputs):
        if len(skips) < len(outputs) - block:
            continue  # an inner block, left out
        skip = skips.pop()
        if deep is not None and known is None and len(skips) == outermost:
            deep.keep(hidden)
        skip = _added(skip, _at(control.skips, len(skips)))
        for change in patches.before_output:
            hidden, skip = change(hidden, skip, walk.site("output", block))
        # Heights and widths that are no multiple of 8 round up on the way down, so the next skip tells the size.
        size_px = (skips[-1].shape[-2], skips[-1].shape[-1]) if skips else None
        hidden = walk.run(parts, torch.cat([hidden, skip], dim=1), "output", block, size_px)
    output: Tensor = unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))
    return output


def beside(x: Tensor, channels: Tensor) -> Tensor:
    """The noisy latent with what stands in further input channels."""
    return torch.cat([x, channels.to(x)], dim=1)


def embed(unet: Any, timestep: Tensor, y: Tensor | None) -> Tensor:
    """The time embedding, [batch, width], with SDXL's vector ``y`` added where the network takes one."""
    weight = unet.conv_in.weight
    waves = get_timestep_embedding(timestep.flatten(), weight.shape[0], flip_sin_to_cos=True, downscale_freq_shift=0)
    embedding: Tensor = unet.time_embedding(waves.to(weight.dtype))
    if getattr(unet, "add_embedding", None) is None:  # a network of diffusers may not have it
        return embedding
    expected = unet.add_embedding.linear_1.in_features
    if y is None or y.shape[-1] != expected:
        given = "none" if y is None else f"one {y.shape[-1]} wide"
        raise InputInvalid(
            f"this model needs a conditioning vector {expected} wide beside the prompt and was given {given}",
            remedy="encode the prompt with the CLIP of the same checkpoint",
        )
    vector: Tensor = unet.add_embedding(y.to(weight.device, weight.dtype))
    return embedding + vector


def input_blocks(unet: Any) -> list[list[Any]]:
    """The modules of each input block, grouped as the LDM layout numbers them; block 0 is the first convolution."""
    blocks: list[list[Any]] = [[unet.conv_in]]
    for level in unet.down_blocks:
        blocks += _with_attention(level)
        blocks += [[sampler] for sampler in level.downsamplers or ()]
    return blocks


def middle_parts(unet: Any) -> list[Any]:
    """The modules of the middle block: a resnet, and where there is attention, a transformer and another resnet."""
    middle = unet.mid_block
    parts = [middle.resnets[0]]
    for attention, resnet in zip(middle.attentions, middle.resnets[1:], strict=True):
        parts += [part for part in (attention, resnet) if part is not None]
    return parts


def output_blocks(unet: Any) -> list[list[Any]]:
    """The modules of each output block; a level's upsampler belongs to its last block."""
    blocks: list[list[Any]] = []
    for level in unet.up_blocks:
        blocks += _with_attention(level)
        blocks[-1] += level.upsamplers or ()
    return blocks


def _with_attention(level: Any) -> list[list[Any]]:
    attentions = getattr(level, "attentions", None) or [None] * len(level.resnets)
    return [
        [resnet] if attention is None else [resnet, attention]
        for resnet, attention in zip(level.resnets, attentions, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Walk:
    """What stays the same from block to block of one pass through a UNet or a ControlNet."""

    embedding: Tensor
    context: Tensor
    patches: NetworkPatches
    latent_px: tuple[int, int]
    rows: tuple[int, ...]
    sigma: float

    def site(self, stage: Stage, block: int) -> HookSite:
        """Where the hooks of a block are called."""
        return HookSite(stage, block, 0, self.latent_px, self.rows, self.sigma)

    def hook(self, hooks: Sequence[BlockPatch], hidden: Tensor, stage: Stage, block: int) -> Tensor:
        """``hidden`` after every hook, in order."""
        for change in hooks:
            hidden = change(hidden, self.site(stage, block))
        return hidden

    def run(
        self, parts: Sequence[Any], hidden: Tensor, stage: Stage, block: int, size_px: tuple[int, int] | None = None
    ) -> Tensor:
        """``hidden`` through a block's modules; ``size_px`` is the height and width that an upsampler makes."""
        for part in parts:
            if isinstance(part, ResnetBlock2D):
                hidden = current().best(resnet)(part, hidden, self.embedding)
            elif isinstance(part, Transformer2DModel):
                hidden = transform(part, hidden, AttentionSite(self.context, self.patches, self.site(stage, block)))
            elif isinstance(part, Upsample2D):
                hidden = part(hidden, size_px)
            else:
                assert isinstance(part, Downsample2D | torch.nn.Conv2d)
                hidden = part(hidden)
        return hidden


def resnet(part: Any, hidden: Tensor, embedding: Tensor) -> Tensor:
    """A diffusers ``ResnetBlock2D`` on [batch, channels, height, width] and the time embedding."""
    made: Tensor = part(hidden, embedding)
    return made


def _at(residuals: Sequence[Tensor | None], block: int) -> Tensor | None:
    return residuals[block] if block < len(residuals) else None


def _added(hidden: Tensor, residual: Tensor | None) -> Tensor:
    if residual is None:
        return hidden
    if residual.shape[1:] != hidden.shape[1:]:
        raise InputInvalid(
            f"a ControlNet's output of shape {tuple(residual.shape[1:])} meets the model's {tuple(hidden.shape[1:])}",
            remedy="take a ControlNet that was made for this model's family",
        )
    return hidden + residual.to(hidden)
