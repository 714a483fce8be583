"""Stable Video Diffusion's VAE: pictures are encoded one by one, and decoded together, mixed over time."""

from __future__ import annotations

import re
from typing import Any

import torch
from diffusers import AutoencoderKLTemporalDecoder
from torch import Tensor, nn

from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.vae_names import diffusers_names
from nodes.diffusion.weights import WeightView
from nodes.families.svd import VAE
from nodes.latent_space import LatentSpace
from nodes.values import Vae

_LAYERS = {"in_layers.0": "norm1", "in_layers.2": "conv1", "out_layers.0": "norm2", "out_layers.3": "conv2"}
_TIME = re.compile(r"(decoder\..+)\.time_stack\.(\w+\.\d)\.(weight|bias)")
_RESNET = re.compile(r"(decoder\..+\.resnets\.\d+)\.(.+)")
_MIX, _LAST = ".mix_factor", "decoder.conv_out.time_mix_conv."


def load(view: WeightView) -> Vae:
    """The autoencoder in ``view``, which has LDM's names."""
    renamed = view.renamed(file_names(view))
    key, label = f"vae:{content_key(renamed)}", f"{view.file.path.name} VAE"
    weights = Weights(key, lambda: _build(renamed), label, wide=True, release=view.file.release)
    side = 2 ** (view.count("encoder.down") - 1)
    return Vae(weights, VAE, LatentSpace(view.shape("decoder.conv_in.weight")[1], factors=(1, side, side)))


def decode(module: Any, samples: Tensor) -> Tensor:
    """Latents of frames that follow each other, float32[frames, 4, h, w], to planes in -1..1, on the CPU."""
    weight = module.decoder.conv_in.weight
    latents = samples.to(weight.device, weight.dtype)
    pictures_alone = torch.zeros(1, len(latents), device=weight.device, dtype=weight.dtype)
    film: Tensor = module.decoder(latents, pictures_alone, num_frames=len(latents))
    return film.to("cpu", torch.float32)


def encode(module: Any, planes: Tensor) -> Tensor:
    """Planes in -1..1, float32[batch, 3, height, width], to the mean of the posterior, on the CPU."""
    weight = module.encoder.conv_in.weight
    means, _ = module.encoder(planes.to(weight.device, weight.dtype)).chunk(2, dim=1)
    found: Tensor = means.to("cpu", torch.float32)
    return found


def file_names(view: WeightView) -> dict[str, str]:
    """By diffusers' name for a tensor, the file's."""
    plain = {name.replace(".time_stack.", ".") for name in view} | set(view)
    of_pictures = diffusers_names(plain)
    found: dict[str, str] = {}
    for name in view:
        if name.startswith(_LAST):
            found[f"decoder.time_conv_out.{name.removeprefix(_LAST)}"] = name
        elif match := _TIME.fullmatch(name):
            block, layer, leaf = match.groups()
            found[f"{_block(block, of_pictures)}.temporal_res_block.{_LAYERS[layer]}.{leaf}"] = name
        elif name.endswith(_MIX):
            found[f"{_block(name.removesuffix(_MIX), of_pictures)}.time_mixer{_MIX}"] = name
        elif (new := of_pictures.get(name)) is not None:
            found[_RESNET.sub(r"\1.spatial_res_block.\2", new)] = name
    return found


def _block(block: str, of_pictures: dict[str, str]) -> str:
    return of_pictures[f"{block}.norm1.weight"].removesuffix(".norm1.weight")


def _build(view: WeightView) -> nn.Module:
    levels = view.count("encoder.down_blocks")

    def make() -> nn.Module:
        network: Any = AutoencoderKLTemporalDecoder(
            in_channels=view.shape("encoder.conv_in.weight")[1],
            out_channels=view.shape("decoder.conv_out.weight")[0],
            down_block_types=("DownEncoderBlock2D",) * levels,
            block_out_channels=tuple(
                view.shape(f"encoder.down_blocks.{level}.resnets.0.conv1.weight")[0] for level in range(levels)
            ),
            layers_per_block=view.count("encoder.down_blocks.0.resnets"),
            latent_channels=view.shape("decoder.conv_in.weight")[1],
        )
        if "quant_conv.weight" not in view:
            del network.quant_conv
        return network  # type: ignore[no-any-return]

    return assemble(make, view)
