"""Flux.2's autoencoder: of pictures, with 2 x 2 latent pixels packed into one and brought to unit spread."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLFlux2
from torch import Tensor, nn

from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.vae_attention import PixelAttention
from nodes.diffusion.vae_names import diffusers_names
from nodes.diffusion.weights import WeightView
from nodes.families.flux2 import SPACE, VAE
from nodes.latent_space import LatentSpace
from nodes.values import Vae

PATCH = 2
EPSILON = 1e-4
_MOVED = {"encoder.quant_conv.": "quant_conv.", "decoder.post_quant_conv.": "post_quant_conv."}


def load(view: WeightView) -> Vae:
    """The autoencoder in ``view``, in its authors' layout or diffusers'."""
    network = view.renamed({**_network_names(view), **{name: name for name in view if name.startswith("bn.running")}})
    label, key = f"{view.file.path.name} VAE", f"vae:{content_key(network)}"
    weights = Weights(key, lambda: _build(network), label, wide=True, release=view.file.release)
    return Vae(weights, VAE, LatentSpace(view.shape("bn.running_mean")[0], factors=SPACE.factors))


def decode(module: Any, samples: Tensor) -> Tensor:
    """Latents, float32[batch, 128, h, w], to planes in -1..1, on the CPU."""
    weight = module.decoder.conv_in.weight
    packed = samples.to(weight.device, weight.dtype)
    mean, deviation = _statistics(module, packed)
    planes: Tensor = module.decode(F.pixel_shuffle(packed * deviation + mean, PATCH)).sample
    return planes.to("cpu", torch.float32)


def encode(module: Any, planes: Tensor) -> Tensor:
    """Planes in -1..1, float32[batch, 3, height, width], to the mean of the posterior, on the CPU."""
    weight = module.encoder.conv_in.weight
    latent = module.encode(planes.to(weight.device, weight.dtype)).latent_dist.mode()
    packed = F.pixel_unshuffle(latent, PATCH)
    mean, deviation = _statistics(module, packed)
    return ((packed - mean) / deviation).to("cpu", torch.float32)


def _statistics(module: Any, packed: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each packed channel, [channels, 1, 1] each."""
    mean, variance = (each.to(packed).view(-1, 1, 1) for each in (module.bn.running_mean, module.bn.running_var))
    return mean, (variance + EPSILON).sqrt()


def _network_names(view: WeightView) -> dict[str, str]:
    """The file's name of each tensor by diffusers'."""
    own = {name: name for name in view}
    for file, moved in _MOVED.items():
        own = {(moved + name.removeprefix(file) if name.startswith(file) else name): old for name, old in own.items()}
    return {new: own[name] for name, new in diffusers_names(own).items()}


def _build(view: WeightView) -> AutoencoderKLFlux2:
    vae = assemble(lambda: _made(view), view)
    vae.set_attn_processor(PixelAttention())
    return vae


def _made(view: WeightView) -> AutoencoderKLFlux2:
    vae = AutoencoderKLFlux2(**_read(view))
    vae.bn = Statistics(4 * vae.config.latent_channels)
    return vae


class Statistics(nn.Module):
    """Mean and variance of the packed channels; what else a file has of their training is left there."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))


def _read(view: WeightView) -> dict[str, Any]:
    levels = view.count("encoder.down_blocks")

    def widths(blocks: str) -> tuple[int, ...]:
        return tuple(view.shape(f"{blocks}.{level}.resnets.0.conv1.weight")[0] for level in range(levels))

    return {
        "in_channels": view.shape("encoder.conv_in.weight")[1],
        "out_channels": view.shape("decoder.conv_out.weight")[0],
        "latent_channels": view.shape("decoder.conv_in.weight")[1],
        "block_out_channels": widths("encoder.down_blocks"),
        "decoder_block_out_channels": widths("decoder.up_blocks")[::-1],
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "layers_per_block": view.count("encoder.down_blocks.0.resnets"),
        "mid_block_add_attention": "encoder.mid_block.attentions.0.to_q.weight" in view,
        "batch_norm_eps": EPSILON,
    }
