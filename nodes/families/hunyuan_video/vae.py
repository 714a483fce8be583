"""The causal video VAE of HunyuanVideo 1.0 (arXiv:2412.03603)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLHunyuanVideo
from torch import Tensor

from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.vae_names import diffusers_names
from nodes.diffusion.weights import WeightView
from nodes.families.hunyuan_video import VAE
from nodes.families.hunyuan_video.spaces import SPACE
from nodes.latent_space import LatentSpace
from nodes.values import Vae

FRAMES = SPACE.factors[0]
STEPS = 2
"""Of a latent, that are worked on at a time; the norms know no others."""
EARLIER = 2
"""Frames that a convolution looks back to."""


def load(view: WeightView) -> Vae:
    """The autoencoder in ``view``, which has its authors' names."""
    names = {new.replace("nin_shortcut", "conv_shortcut"): old for old, new in diffusers_names(view).items()}
    renamed = view.renamed(names)
    key = f"vae:{content_key(renamed)}"
    label = f"{view.file.path.name} VAE"
    weights = Weights(key, lambda: _build(renamed), label, wide=True, release=view.file.release)
    return Vae(weights, VAE, LatentSpace(SPACE.channels, dims=3, factors=SPACE.factors))


def decode(module: Any, samples: Tensor) -> Tensor:
    """Latents, float32[batch, 16, frames, h, w], to films, [batch, 3, frames, H, W], on the CPU."""
    decoder = module.decoder
    weight = decoder.conv_in.conv.weight
    hidden = Carry()(decoder.conv_in, module.post_quant_conv(samples.to(weight.device, weight.dtype)))
    hidden = _through_middle(decoder.mid_block, hidden)
    made, carry = [], Carry()
    for start in range(0, hidden.shape[2], STEPS):
        part = hidden[:, :, start : start + STEPS]
        for block in decoder.up_blocks:
            for resnet in block.resnets:
                part = _resnet(resnet, part, carry)
            for upsampler in block.upsamplers or ():
                part = carry(upsampler.conv, _larger(part, upsampler.upsample_factor, is_first=start == 0))
        part = carry(decoder.conv_out, F.silu(decoder.conv_norm_out(part)))
        made.append(part.to("cpu", torch.float32))
        carry = carry.after()
    return torch.cat(made, dim=2)


def encode(module: Any, planes: Tensor) -> Tensor:
    """Films in -1..1, float32[batch, 3, frames, H, W], to the mean of the posterior, on the CPU.

    Frames beyond 4 n + 1 are left out.
    """
    encoder = module.encoder
    weight = encoder.conv_in.conv.weight
    steps = (planes.shape[2] - 1) // FRAMES
    parts = [planes[:, :, :1]]
    parts += [planes[:, :, start : start + STEPS * FRAMES] for start in range(1, 1 + steps * FRAMES, STEPS * FRAMES)]
    parts[-1] = parts[-1][:, :, : 1 + steps * FRAMES - sum(part.shape[2] for part in parts[:-1])]
    made, carry = [], Carry()
    for part in parts:
        hidden = carry(encoder.conv_in, part.to(weight.device, weight.dtype))
        for block in encoder.down_blocks:
            for resnet in block.resnets:
                hidden = _resnet(resnet, hidden, carry)
            for downsampler in block.downsamplers or ():
                hidden = carry(downsampler.conv, hidden)
        made.append(hidden)
        carry = carry.after()
    hidden = _through_middle(encoder.mid_block, torch.cat(made, dim=2))
    hidden = Carry()(encoder.conv_out, F.silu(encoder.conv_norm_out(hidden)))
    mean: Tensor = module.quant_conv(hidden).chunk(2, dim=1)[0]
    return mean.to("cpu", torch.float32)


class Carry:
    """The last frames that each causal convolution saw of one part of a film, in order, for the next part of it."""

    def __init__(self, before: Sequence[Tensor] = ()) -> None:
        self._before, self._seen = iter(before), list[Tensor]()
        self._is_first = not before

    def __call__(self, causal: Any, x: Tensor) -> Tensor:
        """The convolution of ``x``, [batch, channels, frames, h, w]: the first part's first frame stands before it."""
        conv = causal.conv
        earlier = x[:, :, :1].expand(-1, -1, EARLIER, -1, -1) if self._is_first else next(self._before)
        whole = torch.cat([earlier, x], dim=2)
        self._seen.append(whole[:, :, -EARLIER:].clone())
        whole = F.pad(whole, (1, 1, 1, 1, 0, 0), mode="replicate")
        return F.conv3d(whole, conv.weight, conv.bias, conv.stride)

    def after(self) -> Carry:
        """That for the next part."""
        return Carry(self._seen)


def _resnet(block: Any, x: Tensor, carry: Carry) -> Tensor:
    hidden = carry(block.conv1, F.silu(block.norm1(x)))
    hidden = carry(block.conv2, F.silu(block.norm2(hidden)))
    return hidden + (x if block.conv_shortcut is None else block.conv_shortcut.conv(x))


def _larger(x: Tensor, factors: Sequence[float], *, is_first: bool) -> Tensor:
    """``x`` with all sides times ``factors``; a film's first frame stays one."""
    if not is_first or factors[0] == 1:
        return F.interpolate(x, scale_factor=tuple(factors), mode="nearest")
    first = F.interpolate(x[:, :, 0], scale_factor=tuple(factors[1:]), mode="nearest")[:, :, None]
    if x.shape[2] == 1:
        return first
    return torch.cat([first, F.interpolate(x[:, :, 1:], scale_factor=tuple(factors), mode="nearest")], dim=2)


def _through_middle(block: Any, x: Tensor) -> Tensor:
    x = _resnet(block.resnets[0], x, Carry())
    attention = block.attentions[0]
    tokens = attention.group_norm(x).flatten(2).transpose(1, 2)
    q, k, v = (project(tokens)[:, None] for project in (attention.to_q, attention.to_k, attention.to_v))
    mixed = attention.to_out[0](F.scaled_dot_product_attention(q, k, v)[:, 0]).transpose(1, 2)
    return _resnet(block.resnets[1], x + mixed.reshape(x.shape), Carry())


def _build(view: WeightView) -> AutoencoderKLHunyuanVideo:
    return assemble(lambda: AutoencoderKLHunyuanVideo(**config_of(view, "conv1")), view)


def config_of(view: WeightView, convolution: str) -> dict[str, Any]:
    """What diffusers' autoencoders of this family are built by; ``convolution``: of a resnet, which has its width."""
    levels = range(view.count("encoder.down_blocks"))
    names = [f"encoder.down_blocks.{level}.resnets.0.{convolution}.conv.weight" for level in levels]
    return {
        "latent_channels": view.shape("decoder.conv_in.conv.weight")[1],
        "block_out_channels": tuple(view.shape(name)[0] for name in names),
        "layers_per_block": view.count("encoder.down_blocks.0.resnets"),
    }
