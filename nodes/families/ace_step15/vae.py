"""Oobleck, the autoencoder of sounds that ACE-Step 1.5 and Stable Audio have; https://arxiv.org/abs/2407.14358."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from diffusers import AutoencoderOobleck
from torch import Tensor
from torch.nn.utils import weight_norm

from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.transformers import quietly
from nodes.diffusion.weights import WeightView
from nodes.families.ace_step15 import OOBLECK
from nodes.latent_space import LatentSpace
from nodes.values import Vae

_RATES_HZ = {1920: 48000}
_USUAL_RATE_HZ = 44100
_WEIGHTS = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
_BLOCK = re.compile(r"(encoder|decoder)\.layers\.(\d+)\.layers\.(\d+)\.(?:layers\.(\d+)\.)?(.+)")
_LAYER = re.compile(r"(encoder|decoder)\.layers\.(\d+)\.(.+)")
_UNIT = ("snake1", "conv1", "snake2", "conv2")
_BLOCKS = {
    "encoder": ("res_unit1", "res_unit2", "res_unit3", "snake1", "conv1"),
    "decoder": ("snake1", "conv_t1", "res_unit1", "res_unit2", "res_unit3"),
}


def load(view: WeightView) -> Vae:
    """The autoencoder in ``view``, which has its authors' names; strides and widths are read off the shapes."""
    renamed = view.renamed({_own_name(name, view): name for name in view if name.startswith(("encoder.", "decoder."))})
    hop = math.prod(_strides(renamed))
    label = f"{view.file.path.name} VAE"
    weights = Weights(
        f"vae:{content_key(renamed)}", lambda: assemble(lambda: quietly(lambda: _build(renamed)), renamed), label,
        wide=True, release=view.file.release,
    )  # fmt: skip
    channels = renamed.shape("decoder.conv1.weight_v")[1]
    space = LatentSpace(channels, dims=1, factors=(1, 1, hop))
    return Vae(weights, OOBLECK, space, sample_rate_hz=_RATES_HZ.get(hop, _USUAL_RATE_HZ))


def decode(module: Any, samples: Tensor) -> Tensor:
    """Latents, float32[batch, channels, cells], to waveforms, [batch, 2, samples], on the CPU."""
    weight = module.decoder.conv1.weight_v
    made: Tensor = module.decoder(samples.to(weight.device, weight.dtype))
    return made.float().cpu()


def encode(module: Any, planes: Tensor) -> Tensor:
    """Waveforms, float32[batch, 2, samples], to the mean of the posterior, on the CPU."""
    weight = module.encoder.conv1.weight_v
    made: Tensor = module.encoder(planes.to(weight.device, weight.dtype))
    return made.chunk(2, dim=1)[0].float().cpu()


def _build(view: WeightView) -> AutoencoderOobleck:
    strides = _strides(view)
    widths = [view.shape(f"encoder.block.{number}.conv1.weight_v")[0] for number in range(len(strides))]
    first = view.shape("encoder.conv1.weight_v")[0]
    latent, audio = view.shape("decoder.conv1.weight_v")[1], view.shape("encoder.conv1.weight_v")[1]
    module = AutoencoderOobleck(
        encoder_hidden_size=first,
        downsampling_ratios=strides,
        channel_multiples=[width // first for width in widths],
        decoder_channels=view.shape("decoder.conv2.weight_v")[1],
        decoder_input_channels=latent,
        audio_channels=audio,
    )
    # diffusers takes it for granted that the encoder's first layer is as wide as a mean and a deviation.
    module.encoder.conv2 = weight_norm(torch.nn.Conv1d(widths[-1], 2 * latent, kernel_size=3, padding=1))
    return module


def _strides(view: WeightView) -> list[int]:
    """Of the encoder's blocks: half of their kernels."""
    return [
        view.shape(f"encoder.block.{number}.conv1.weight_v")[-1] // 2 for number in range(view.count("encoder.block"))
    ]


def _own_name(name: str, view: WeightView) -> str:
    """Diffusers' name of a tensor."""
    for published, own in _WEIGHTS.items():
        name = name.replace(published, own)
    if found := _BLOCK.match(name):
        side, block, place, inner, leaf = found.groups()
        part = _BLOCKS[side][int(place)]
        unit = f"{part}.{_UNIT[int(inner)]}" if inner is not None else part
        return f"{side}.block.{int(block) - 1}.{unit}.{leaf}"
    found = _LAYER.match(name)
    assert found is not None
    side, layer, leaf = found.groups()
    blocks = view.count(f"{side}.layers") - 3
    parts = {0: "conv1", blocks + 1: "snake1", blocks + 2: "conv2"}
    return f"{side}.{parts[int(layer)]}.{leaf}"
