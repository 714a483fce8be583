"""The video VAE of LTX (arXiv:2501.00103): 32 x 32 pixels of eight frames a cell; its decoder ends the denoising."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.weights import WeightView
from nodes.families.ltx import VAE
from nodes.families.ltx.header import described
from nodes.families.ltx.spaces import SPACE
from nodes.families.ltx.vae_network import FilmAutoencoder, FilmDecoder, FilmEncoder, Part, pad_by
from nodes.families.ltx.vae_versions import version_of
from nodes.latent_space import LatentSpace
from nodes.values import Vae

FRAMES = SPACE.factors[0]
LEVEL, NOISE_SHARE = 0.05, 0.025
"""What a decoder that draws noise is told of it, and how much of a latent that is."""

_STATISTICS = {"means": "per_channel_statistics.mean-of-means", "deviations": "per_channel_statistics.std-of-means"}
_PARTS = ((".resnets.", ".res_blocks."), (".conv_shortcut.conv.", ".conv_shortcut."), (".norm3.", ".norm3.norm."))


def load(view: WeightView) -> Vae:
    """The autoencoder in ``view``, built as the header of its file describes it, or as its version is known to be."""
    config = described(view, "vae") or version_of(view)
    with torch.device("meta"):
        wanted = _build(view, config).state_dict()
    renamed = view.renamed({name: found for name in wanted if (found := _native(name)) in view})
    label = f"{view.file.path.name} VAE"
    key = f"vae:{content_key(renamed)}"
    weights = Weights(
        key, lambda: assemble(lambda: _build(view, config), renamed), label, wide=True, release=view.file.release
    )
    return Vae(weights, VAE, LatentSpace(SPACE.channels, dims=3, factors=SPACE.factors))


def decode(module: Any, samples: Tensor) -> Tensor:
    """As :func:`decode_drawing`, with noise that is always the same."""
    return decode_drawing(module, samples, torch.Generator().manual_seed(0))


def decode_drawing(module: Any, samples: Tensor, source: torch.Generator) -> Tensor:
    """Latents, float32[batch, 128, frames, h, w], to films, [batch, 3, frames, H, W], on the CPU."""
    if module.decoder.last_time_embedder is not None:
        drawn = torch.randn(samples.shape, generator=source)
        samples = drawn * module.noise_share + (1.0 - module.noise_share) * samples.float()
    weight = module.decoder.conv_in.conv.weight
    latents = samples.to(weight.device, weight.dtype)
    latents = latents * _over_channels(module.deviations) + _over_channels(module.means)
    if weight.device.type != "cpu":  # layers that add noise draw it where they are
        source = torch.Generator(weight.device).manual_seed(source.initial_seed())
    film: Tensor = module.decoder(latents, module.level, source)
    return film.to("cpu", torch.float32)


def encode(module: Any, planes: Tensor) -> Tensor:
    """Films in -1..1, float32[batch, 3, frames, H, W], to the mean of the posterior, on the CPU.

    Frames beyond 8 n + 1 are left out.
    """
    weight = module.encoder.conv_in.conv.weight
    whole = planes[:, :, : (planes.shape[2] - 1) // FRAMES * FRAMES + 1]
    means = module.encoder(whole.to(weight.device, weight.dtype))
    latents: Tensor = (means - _over_channels(module.means)) / _over_channels(module.deviations)
    return latents.to("cpu", torch.float32)


def _over_channels(each: Tensor) -> Tensor:
    return each[:, None, None, None]


def _native(name: str) -> str:
    """The file's name for a parameter."""
    for own, authors in _PARTS:
        name = name.replace(own, authors)
    return _STATISTICS.get(name, name)


def _build(view: WeightView, config: Mapping[str, Any]) -> FilmAutoencoder:
    latents = view.shape("per_channel_statistics.std-of-means")[0]
    patch = int(config.get("patch_size", 1))
    encoder = FilmEncoder(
        _parts(config, "encoder_blocks"),
        view.shape("encoder.conv_in.conv.weight")[0],
        view.shape("encoder.conv_in.conv.weight")[1] // patch**2,
        latents,
        patch,
        spread=view.shape("encoder.conv_out.conv.weight")[0] - latents,
    )
    decoder = FilmDecoder(
        _parts(config, "decoder_blocks"),
        view.shape("decoder.conv_out.conv.weight")[1],
        view.shape("decoder.conv_out.conv.weight")[0] // patch**2,
        latents,
        patch,
        causal=bool(config.get("causal_decoder", False)),
        conditioned=bool(config.get("timestep_conditioning", False)),
    )
    pad_by(config.get("spatial_padding_mode", "zeros"), encoder)
    pad_by(config.get("spatial_padding_mode", "reflect"), decoder)
    made: Any = FilmAutoencoder(encoder, decoder, latents)
    made.level = float(config.get("decode_timestep", LEVEL))
    made.noise_share = float(config.get("decode_noise_scale", NOISE_SHARE))
    return made  # type: ignore[no-any-return]


def _parts(config: Mapping[str, Any], name: str) -> Sequence[Part]:
    return [Part.read(each) for each in config.get(name, config.get("blocks", ()))]
