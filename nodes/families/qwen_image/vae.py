"""The video VAE of Wan 2.1 (arXiv:2503.20314), which Qwen-Image uses for pictures: films of one frame."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers
from torch import Tensor

from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.weights import WeightView
from nodes.families.qwen_image import SPACE, WAN_VAE
from nodes.latent_space import LatentSpace
from nodes.values import Vae

LEVELS = [1, 2, 4, 4]


def load(view: WeightView) -> Vae:
    """The autoencoder in ``view``, which has its authors' names; pictures may have an alpha channel (Layered)."""
    names = convert_wan_vae_to_diffusers({name: name for name in view})
    renamed = view.renamed(names)
    label = f"{view.file.path.name} VAE"
    key = f"vae:{content_key(renamed)}"
    weights = Weights(key, lambda: _build(renamed), label, wide=True, release=view.file.release)
    return Vae(weights, WAN_VAE, LatentSpace(SPACE.channels, dims=3, factors=SPACE.factors))


def decode(module: Any, samples: Tensor) -> Tensor:
    """Latents, float32[batch, 16, frames, h, w], to films in -1..1, [batch, 3 or 4, frames, H, W], on the CPU."""
    weight = module.decoder.conv_in.weight
    film: Tensor = module.decode(samples.to(weight.device, weight.dtype)).sample
    return film.to("cpu", torch.float32)


def encode(module: Any, planes: Tensor) -> Tensor:
    """Films in -1..1, float32[batch, 3, frames, H, W], to the mean of the posterior, on the CPU.

    A VAE of pictures with an alpha channel is shown them as opaque.
    """
    weight = module.encoder.conv_in.weight
    missing = module.config.in_channels - planes.shape[1]
    planes = F.pad(planes, (0, 0, 0, 0, 0, 0, 0, missing), value=1.0) if missing > 0 else planes
    latent: Tensor = module.encode(planes.to(weight.device, weight.dtype)).latent_dist.mode()
    return latent.to("cpu", torch.float32)


def _build(view: WeightView) -> AutoencoderKLWan:
    config = {
        "base_dim": view.shape("decoder.norm_out.gamma")[0],
        "z_dim": view.shape("post_quant_conv.weight")[0],
        "dim_mult": LEVELS,
        "in_channels": view.shape("encoder.conv_in.weight")[1],
        "out_channels": view.shape("decoder.conv_out.weight")[0],
    }
    return assemble(lambda: AutoencoderKLWan(**config), view)
