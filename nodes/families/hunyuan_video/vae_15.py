"""The causal video VAE of HunyuanVideo 1.5 (https://arxiv.org/abs/2511.18870)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLHunyuanVideo15
from torch import Tensor

from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.weights import WeightView
from nodes.families.hunyuan_video import VAE_15
from nodes.families.hunyuan_video.spaces import SPACE_15
from nodes.families.hunyuan_video.vae import config_of
from nodes.latent_space import LatentSpace
from nodes.values import Vae

FRAMES = SPACE_15.factors[0]
_PARTS = (
    (".down.", ".down_blocks."),
    (".up.", ".up_blocks."),
    (".block.", ".resnets."),
    (".downsample.", ".downsamplers.0."),
    (".upsample.", ".upsamplers.0."),
    (".mid.block_1.", ".mid_block.resnets.0."),
    (".mid.block_2.", ".mid_block.resnets.1."),
    (".mid.attn_1.q.", ".mid_block.attentions.0.to_q."),
    (".mid.attn_1.k.", ".mid_block.attentions.0.to_k."),
    (".mid.attn_1.v.", ".mid_block.attentions.0.to_v."),
    (".mid.attn_1.", ".mid_block.attentions.0."),
    ("nin_shortcut.", "conv_shortcut."),
)


def load(view: WeightView) -> Vae:
    """The autoencoder in ``view``, which has its authors' names."""
    renamed = view.renamed({_name(name): name for name in view})
    key = f"vae:{content_key(renamed)}"
    label = f"{view.file.path.name} VAE"
    weights = Weights(key, lambda: _build(renamed), label, wide=True, release=view.file.release)
    return Vae(weights, VAE_15, LatentSpace(SPACE_15.channels, dims=3, factors=SPACE_15.factors))


def decode(module: Any, samples: Tensor) -> Tensor:
    """Latents, float32[batch, 32, frames, h, w], to films, [batch, 3, frames, H, W], on the CPU."""
    decoder = module.decoder
    weight = decoder.conv_in.conv.weight
    latents = samples.to(weight.device, weight.dtype)
    hidden = decoder.conv_in(latents) + latents.repeat_interleave(weight.shape[0] // latents.shape[1], dim=1)
    hidden = _through_middle(decoder.mid_block, hidden)
    for block in decoder.up_blocks:
        hidden = block(hidden)
    film: Tensor = decoder.conv_out(F.silu(decoder.norm_out(hidden)))
    return film.to("cpu", torch.float32)


def encode(module: Any, planes: Tensor) -> Tensor:
    """Films in -1..1, float32[batch, 3, frames, H, W], to the mean of the posterior, on the CPU.

    Frames beyond 4 n + 1 are left out.
    """
    encoder = module.encoder
    weight = encoder.conv_in.conv.weight
    film = planes[:, :, : 1 + (planes.shape[2] - 1) // FRAMES * FRAMES]
    hidden = encoder.conv_in(film.to(weight.device, weight.dtype))
    for block in encoder.down_blocks:
        hidden = block(hidden)
    hidden = _through_middle(encoder.mid_block, hidden)
    made = encoder.conv_out(F.silu(encoder.norm_out(hidden)))
    made = made + torch.unflatten(hidden, 1, (made.shape[1], -1)).mean(dim=2)
    mean: Tensor = made.chunk(2, dim=1)[0]
    return mean.to("cpu", torch.float32)


def _through_middle(block: Any, x: Tensor) -> Tensor:
    """All frames attend to each other, as ComfyUI has them do."""
    x, attention = block.resnets[0](x), block.attentions[0]
    normed = attention.norm(x)
    q, k, v = (
        project(normed).flatten(2).transpose(1, 2)[:, None]
        for project in (attention.to_q, attention.to_k, attention.to_v)
    )
    mixed = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2).reshape(x.shape)
    made: Tensor = block.resnets[1](x + attention.proj_out(mixed))
    return made


def _name(name: str) -> str:
    for old, new in _PARTS:
        name = name.replace(old, new)
    return name


def _build(view: WeightView) -> AutoencoderKLHunyuanVideo15:
    return assemble(lambda: AutoencoderKLHunyuanVideo15(**config_of(view, "conv2")), view)
