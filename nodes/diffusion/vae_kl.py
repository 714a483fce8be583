"""The KL autoencoder of pictures (Rombach et al. 2022, arXiv:2112.10752), as a kind of VAE."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.weights import Weights
from nodes.diffusion.contents import content_key
from nodes.diffusion.vae_config import build_vae
from nodes.diffusion.weights import WeightView
from nodes.families.vae_kinds import KL
from nodes.latent_space import LatentSpace
from nodes.values import Vae


def load(view: WeightView) -> Vae:
    """The autoencoder in ``view``, in either layout."""
    label = f"{view.file.path.name} VAE"
    # Not `heavy`: it runs once a picture, and what it rounds is what people see (0.03 off in bfloat16).
    weights = Weights(f"vae:{content_key(view)}", lambda: build_vae(view), label, wide=True, release=view.file.release)
    # Each level but the last halves the sides.
    side = 2 ** (max(view.count("encoder.down"), view.count("encoder.down_blocks")) - 1)
    return Vae(weights, KL, LatentSpace(view.shape("decoder.conv_in.weight")[1], factors=(1, side, side)))


def decode(module: Any, samples: Tensor) -> Tensor:
    """Latents, float32[batch, channels, h, w], to planes in -1..1, on the CPU."""
    return _host(module.decode(_device(module, samples)))


def encode(module: Any, planes: Tensor) -> Tensor:
    """Planes in -1..1, float32[batch, 3, height, width], to the mean of the posterior, on the CPU."""
    return _host(module.encode(_device(module, planes)))


def _device(module: Any, tensor: Tensor) -> Tensor:
    weight = module.decoder.conv_in.weight
    # A CPU's convolutions of a VAE take 0.85 to 0.92 of the time with each pixel's channels side by side.
    layout = torch.channels_last if weight.device.type == "cpu" else torch.preserve_format
    return tensor.to(weight.device, weight.dtype, memory_format=layout)


def _host(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", torch.float32)
