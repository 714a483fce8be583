"""The sound VAE of LTX-2 with its vocoder: a spectrogram's latents to waves and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKLLTX2Audio
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
from torch import Tensor, nn

from engine.errors import InputInvalid, ModelUnreadable
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.weights import WeightView
from nodes.families.ltx.header import described
from nodes.families.ltx2 import SOUND_VAE
from nodes.families.ltx2.spaces import SOUND
from nodes.values import Vae

_NAMES = {
    "codec.latents_mean": "audio_vae.per_channel_statistics.mean-of-means",
    "codec.latents_std": "audio_vae.per_channel_statistics.std-of-means",
}
_VOCODER = (("conv_in.", "conv_pre."), ("conv_out.", "conv_post."), ("upsamplers.", "ups."), ("resnets.", "resblocks."))


class SoundVae(nn.Module):
    """``codec``: spectrograms to latents and back; ``vocoder``: spectrograms to waves, of ``rate_hz``."""

    def __init__(self, codec: nn.Module, vocoder: nn.Module, rate_hz: int) -> None:
        super().__init__()
        self.codec, self.vocoder, self.rate_hz = codec, vocoder, rate_hz


def load(view: WeightView) -> Vae:
    """The VAE in ``view``, all of a checkpoint's tensors, built as its header describes it.

    Raises ``ModelUnreadable`` where the header does not.
    """
    codec, vocoder = described(view, "audio_vae"), described(view, "vocoder")
    name = view.file.path.name
    if not codec or not vocoder:
        raise ModelUnreadable(
            f"the header of '{name}' does not describe its sound VAE", remedy="take the checkpoint as published"
        )
    if "bwe" in vocoder:
        raise ModelUnreadable(
            f"the vocoder in '{name}' widens the band of what it made, which is not done here",
            remedy="take a checkpoint whose vocoder does not",
        )
    with torch.device("meta"):
        made = _build(view, codec, vocoder)
    wanted = made.state_dict()
    renamed = view.renamed({each: found for each in wanted if (found := _native(each)) in view})
    weights = Weights(
        f"vae:{content_key(renamed)}",
        lambda: assemble(lambda: _build(view, codec, vocoder), renamed),
        f"{name} sound VAE",
        wide=True,
        release=view.file.release,
    )
    return Vae(weights, SOUND_VAE, SOUND, sample_rate_hz=made.rate_hz)


def decode(module: Any, samples: Tensor) -> Tensor:
    """Latents, float32[batch, 8, rows, 16], to waves, float32[batch, channels, samples], on the CPU."""
    weight = module.codec.decoder.conv_in.conv.weight
    rows = samples.to(weight.device, weight.dtype).transpose(1, 2).flatten(2)
    rows = rows * module.codec.latents_std + module.codec.latents_mean
    latents = torch.unflatten(rows, 2, (samples.shape[1], -1)).transpose(1, 2)
    waves: Tensor = module.vocoder(module.codec.decoder(latents))
    return waves.to("cpu", torch.float32)


def encode(module: Any, planes: Tensor) -> Tensor:
    """Raises ``InputInvalid``: sounds are not encoded here."""
    raise InputInvalid("LTX-2's sound VAE decodes only", input="vae", remedy="start from LTXVEmptyLatentAudio")


def _native(name: str) -> str:
    """The file's name for a parameter."""
    if name in _NAMES:
        return _NAMES[name]
    part, _, rest = name.partition(".")
    if part == "codec":
        return f"audio_vae.{rest}"
    for own, authors in _VOCODER:
        if rest.startswith(own):
            return f"vocoder.{authors}{rest.removeprefix(own)}"
    return f"vocoder.{rest}"


def _build(view: WeightView, codec: Mapping[str, Any], vocoder: Mapping[str, Any]) -> SoundVae:
    params = codec["model"]["params"]
    layers = params["ddconfig"]
    hop = codec["preprocessing"]["stft"]["hop_length"]
    channels = view.shape("audio_vae.decoder.conv_out.conv.weight")[0]
    network = AutoencoderKLLTX2Audio(
        base_channels=layers["ch"],
        output_channels=channels,
        ch_mult=tuple(layers["ch_mult"]),
        num_res_blocks=layers["num_res_blocks"],
        attn_resolutions=tuple(layers.get("attn_resolutions", ())) or None,
        in_channels=layers["in_channels"],
        resolution=layers["resolution"],
        latent_channels=layers["z_channels"],
        norm_type=layers["norm_type"],
        causality_axis=layers["causality_axis"],
        mid_block_add_attention=layers["mid_block_add_attention"],
        sample_rate=params["sampling_rate"],
        mel_hop_length=hop,
        mel_bins=layers["mel_bins"],
        double_z=layers["double_z"],
    )
    statistics = view.shape("audio_vae.per_channel_statistics.std-of-means")
    network.latents_mean, network.latents_std = (torch.empty(statistics) for _ in range(2))
    rates = vocoder["upsample_rates"]
    made = LTX2Vocoder(
        in_channels=view.shape("vocoder.conv_pre.weight")[1],
        hidden_channels=view.shape("vocoder.conv_pre.weight")[0],
        out_channels=view.shape("vocoder.conv_post.weight")[0],
        upsample_kernel_sizes=vocoder["upsample_kernel_sizes"],
        upsample_factors=rates,
        resnet_kernel_sizes=vocoder["resblock_kernel_sizes"],
        resnet_dilations=vocoder["resblock_dilation_sizes"],
    )
    return SoundVae(network, made, params["sampling_rate"] * made.total_upsample_factor // hop)
