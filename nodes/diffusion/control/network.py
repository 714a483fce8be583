"""One pass through a ControlNet or an adapter: a picture and a noisy latent in, residuals for the UNet out."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor

from nodes.diffusion import unet
from nodes.diffusion.control.adapters import adapter_features
from nodes.diffusion.unet import ControlResiduals
from nodes.families.control_kinds import ADAPTER, UNION
from nodes.hooks import NetworkPatches
from nodes.values import ControlNet

CONTROL_TYPE_WIDTH = 256  # channels of each control type's wave embedding


def control_residuals(
    net: ControlNet, module: Any, x: Tensor, hint: Tensor, timestep: Tensor, context: Tensor, y: Tensor | None
) -> ControlResiduals:
    """Residuals at strength 1.

    ``x``: [batch, channels, height, width], scaled for the network; ``hint``: [batch or 1, 3, height * 8, width * 8],
    0..1; ``timestep``: [batch]; ``context``: [batch, tokens, width]; ``y``: SDXL's vector.
    """
    weight = next(module.parameters())
    x, hint, context = (given.to(weight.device, weight.dtype) for given in (x, hint, context))
    if net.kind is ADAPTER:
        return adapter_features(module, hint)
    embedding = unet.embed(module, timestep.to(weight.device), y)
    guide = module.controlnet_cond_embedding
    if net.kind is UNION:
        embedding = embedding + _control_type_embedding(module, net.union_type)
        guided = guide(hint) if net.union_type is None else _union_guide(module, guide(hint), net.union_type)
    else:
        guided = guide(hint)
    walk = unet.Walk(embedding, context, NetworkPatches(), (x.shape[-2], x.shape[-1]), (0,), 0.0)
    skips: list[Tensor] = []
    hidden = x
    for block, (parts, out) in enumerate(zip(unet.input_blocks(module), module.controlnet_down_blocks, strict=True)):
        hidden = walk.run(parts, hidden, "input", block)
        if block == 0:
            hidden = hidden + guided
        skips.append(out(hidden))
    middle = module.controlnet_mid_block(walk.run(unet.middle_parts(module), hidden, "middle", 0))
    if net.global_pooling:
        skips, middle = [_averaged(skip) for skip in skips], _averaged(middle)
    return ControlResiduals(skips=tuple(skips), middle=middle)


def _averaged(residual: Tensor) -> Tensor:
    return residual.mean((2, 3), keepdim=True).expand_as(residual)


def _control_type_embedding(module: Any, union_type: int | None) -> Tensor:
    """What a union network is told of the kind of its picture: a wave for each kind, on for the one it is."""
    weight = module.task_embedding
    chosen = torch.zeros(weight.shape[0], device=weight.device)
    if union_type is not None:
        chosen[union_type] = 1.0
    waves = get_timestep_embedding(chosen, CONTROL_TYPE_WIDTH, flip_sin_to_cos=True, downscale_freq_shift=0)
    embedded: Tensor = module.control_add_embedding(waves.reshape(1, -1).to(weight.dtype))
    return embedded


def _union_guide(module: Any, guided: Tensor, union_type: int) -> Tensor:
    """The encoded picture, shifted by what a transformer makes of its mean and its kind."""
    token = guided.mean((2, 3)) + module.task_embedding[union_type]
    for layer in module.transformer_layes:
        # Sequence first, as the module wants it: one token for each item of the batch.
        token = layer(token[None])[0]
    shift: Tensor = module.spatial_ch_projs(token)
    return guided + shift[:, :, None, None]
