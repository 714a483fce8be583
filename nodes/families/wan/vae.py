"""The video VAEs of Wan (arXiv:2503.20314): of 2.1, which Qwen-Image uses for pictures, and of 2.2's 5B model."""

from __future__ import annotations

import re
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
from nodes.families.wan import WAN22_VAE, WAN_VAE
from nodes.families.wan.spaces import SPACE, SPACE_22
from nodes.latent_space import LatentSpace
from nodes.values import Vae

LEVELS = [1, 2, 4, 4]
PATCH = 2
"""Pixels along a side that the later VAE takes together before its first layer."""

_LEVEL = re.compile(r"(encoder|decoder)\.(?:down|up)samples\.(\d+)\.(?:down|up)samples\.(\d+)\.(.+)")
_LAYERS = {
    "residual.0": "norm1",
    "residual.2": "conv1",
    "residual.3": "norm2",
    "residual.6": "conv2",
    "shortcut": "conv_shortcut",
}


def load(view: WeightView) -> Vae:
    """The autoencoder in ``view``, which has its authors' names; pictures may have an alpha channel (Layered)."""
    is_later = view.shape("conv2.weight")[0] == SPACE_22.channels
    renamed = view.renamed(_later_names(view) if is_later else _names(view))
    label = f"{view.file.path.name} VAE"
    build = _build_later if is_later else _build
    key = f"vae:{content_key(renamed)}"
    weights = Weights(key, lambda: build(renamed), label, wide=True, release=view.file.release)
    kind, space = (WAN22_VAE, SPACE_22) if is_later else (WAN_VAE, SPACE)
    return Vae(weights, kind, LatentSpace(space.channels, dims=3, factors=space.factors))


def decode(module: Any, samples: Tensor) -> Tensor:
    """Latents, float32[batch, channels, frames, h, w], to films, [batch, 3 or 4, frames, H, W], on the CPU.

    Step by step, so that no more than one step's frames are on the device.
    """
    weight = module.decoder.conv_in.weight
    latents = module.post_quant_conv(samples.to(weight.device, weight.dtype))
    module.clear_cache()
    film = torch.empty(0)
    for step in range(latents.shape[2]):
        module._conv_idx = [0]
        frames = module.decoder(
            latents[:, :, step : step + 1],
            feat_cache=module._feat_map,
            feat_idx=module._conv_idx,
            first_chunk=step == 0,
        )
        if module.config.patch_size is not None:
            frames = _unpatched(frames, module.config.patch_size)
        start = 1 + 4 * (step - 1) if step else 0
        if not film.numel():
            whole = 1 + 4 * (latents.shape[2] - 1)
            film = torch.empty(*frames.shape[:2], whole, *frames.shape[3:])
        film[:, :, start : start + frames.shape[2]] = frames
    module.clear_cache()
    return film


def encode(module: Any, planes: Tensor) -> Tensor:
    """Films in -1..1, float32[batch, 3, frames, H, W], to the mean of the posterior, on the CPU.

    Frames beyond 4 n + 1 are left out. A VAE of pictures with an alpha channel is shown them as opaque.
    """
    weight = module.encoder.conv_in.weight
    missing = module.config.in_channels // (module.config.patch_size or 1) ** 2 - planes.shape[1]
    planes = F.pad(planes, (0, 0, 0, 0, 0, 0, 0, missing), value=1.0) if missing > 0 else planes
    latent: Tensor = module.encode(planes.to(weight.device, weight.dtype)).latent_dist.mode()
    return latent.to("cpu", torch.float32)


def _unpatched(frames: Tensor, patch: int) -> Tensor:
    """[batch, channels x columns x rows, frames, h, w] to [batch, channels, frames, h x patch, w x patch]."""
    cells = torch.unflatten(frames, 1, (-1, patch, patch)).permute(0, 1, 4, 5, 3, 6, 2)
    return cells.flatten(5).flatten(3, 4)


def _build(view: WeightView) -> AutoencoderKLWan:
    config = {
        "base_dim": view.shape("decoder.norm_out.gamma")[0],
        "z_dim": view.shape("post_quant_conv.weight")[0],
        "dim_mult": LEVELS,
        "in_channels": view.shape("encoder.conv_in.weight")[1],
        "out_channels": view.shape("decoder.conv_out.weight")[0],
    }
    return assemble(lambda: AutoencoderKLWan(**config), view)


def _build_later(view: WeightView) -> AutoencoderKLWan:
    config = {
        "base_dim": view.shape("encoder.conv_in.weight")[0],
        "decoder_base_dim": view.shape("decoder.norm_out.gamma")[0],
        "z_dim": view.shape("post_quant_conv.weight")[0],
        "dim_mult": LEVELS,
        "in_channels": view.shape("encoder.conv_in.weight")[1],
        "out_channels": view.shape("decoder.conv_out.weight")[0],
        "is_residual": True,
        "patch_size": PATCH,
        "scale_factor_spatial": SPACE_22.factors[2],
    }
    return assemble(lambda: AutoencoderKLWan(**config), view)


def _names(view: WeightView) -> dict[str, str]:
    """By the name that diffusers has for a tensor of the first VAE, the file's own."""
    found: dict[str, str] = convert_wan_vae_to_diffusers({name: name for name in view})
    return found


def _later_names(view: WeightView) -> dict[str, str]:
    """The same of the later VAE, whose levels have a number of their own."""
    rest = {name: name for name in view if not _LEVEL.fullmatch(name)}
    found: dict[str, str] = convert_wan_vae_to_diffusers(rest)
    for name in view.keys() - rest.keys():
        side, level, layer, inner = _LEVEL.findall(name)[0]
        blocks, sampler = ("down_blocks", "downsampler") if side == "encoder" else ("up_blocks", "upsampler")
        part, _, leaf = inner.rpartition(".")
        where = f"resnets.{layer}.{_LAYERS[part]}" if part in _LAYERS else f"{sampler}.{part}"
        found[f"{side}.{blocks}.{level}.{where}.{leaf}"] = name
    return found
