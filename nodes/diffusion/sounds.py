"""Sounds to latents and back through an autoencoder of sounds, whole or, where memory does not suffice, in tiles."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from engine.context import Context
from engine.errors import InputInvalid
from engine.types import Audio
from nodes.diffusion.vae_tiled import Tiles, blend_tiles, by_tile, evenly
from nodes.media import sound_files
from nodes.values import Latent, Vae

log = logging.getLogger(__name__)

LOUDEST = 5.0
"""A sound whose deviation is more than this part of 1 is made quieter."""
_STEREO = 2
_FALLBACK = (256, 32)  # cells of a tile, and of its overlap


def decode(ctx: Context, vae: Vae, latent: Latent, tiles: tuple[int, int] | None = None) -> Audio:
    """The sound of a latent: float32[batch, 2, samples], made quieter where it is very loud.

    ``tiles``: cells of a tile and of its overlap; of themselves sounds are decoded so where memory runs out. Of a
    latent of several parts, the last one is the sound.
    """
    samples = latent.parts[-1].samples
    _check(vae, samples)
    flat = samples.flatten(1, -2)
    with torch.no_grad(), ctx.models.lease(vae.weights) as module:

        def run(part: Tensor) -> Tensor:
            ctx.check_cancelled()
            return vae.kind.part.decode(module, part.reshape(len(part), *samples.shape[1:-1], -1))

        if tiles is not None:
            waveform = _tiled(ctx, vae, run, flat, tiles)
        else:
            try:
                waveform = torch.cat([run(item) for item in flat.chunk(len(flat))])
            except torch.OutOfMemoryError:
                log.warning("the autoencoder ran out of memory; decoding in tiles of %d cells instead", _FALLBACK[0])
                waveform = _tiled(ctx, vae, run, flat, _FALLBACK)
    deviation = waveform.std(dim=(1, 2), keepdim=True) * LOUDEST
    return Audio(waveform / deviation.clamp(min=1.0), vae.sample_rate_hz)


def encode(ctx: Context, vae: Vae, audio: Audio) -> Tensor:
    """The latent of a sound, resampled to the autoencoder's rate: the mean of the posterior.

    What is beyond whole cells is left out, half of it at either end. Sound of one channel is in both.
    """
    _check_kind(vae)
    waveform = sound_files.resample(audio.waveform, audio.sample_rate_hz, vae.sample_rate_hz)
    channels, hop = waveform.shape[1], vae.space.factors[2]
    if channels > _STEREO:
        raise InputInvalid(
            f"the sound has {channels} channels, and the VAE takes {_STEREO}",
            input="audio",
            remedy="use a stereo version of it",
        )
    waveform = waveform.expand(-1, _STEREO, -1)
    extra = waveform.shape[-1] % hop
    if waveform.shape[-1] < hop:
        raise InputInvalid(
            f"the sound is shorter than {hop / vae.sample_rate_hz:.2f} s", input="audio", remedy="use a longer one"
        )
    whole = waveform[..., extra // 2 : extra // 2 + waveform.shape[-1] - extra]
    with torch.no_grad(), ctx.models.lease(vae.weights) as module:
        return torch.cat([vae.kind.part.encode(module, item) for item in whole.chunk(len(whole))])


def _tiled(ctx: Context, vae: Vae, run: Callable[[Tensor], Tensor], flat: Tensor, tiles: tuple[int, int]) -> Tensor:
    size, overlap = tiles
    cut = Tiles((size,), (min(overlap, size // 2),))
    step = by_tile(ctx, run, cut.count(flat), "sound")
    return blend_tiles(step, flat, cut, (evenly(vae.space.factors[2]),))


def _check(vae: Vae, samples: Tensor) -> None:
    _check_kind(vae)
    if not len(samples) or not samples.shape[-1]:
        raise InputInvalid("there is no latent to decode: it is empty", input="samples")
    if samples.ndim != 2 + vae.space.dims or samples.shape[1] != vae.space.channels:
        raise InputInvalid(
            f"this VAE decodes sounds of {vae.space.channels} channels and was given shape {tuple(samples.shape)}",
            input="samples",
            remedy="use the VAE of the model that made the latent",
        )


def _check_kind(vae: Vae) -> None:
    if not vae.sample_rate_hz:
        raise InputInvalid(
            f"this VAE ({vae.kind.title}) is for pictures, not for sound",
            input="vae",
            remedy="load the VAE that belongs to the model of sounds",
        )
