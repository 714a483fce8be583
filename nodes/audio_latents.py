"""Nodes between sounds and latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import lazy_loader as lazy

from engine.context import Context
from engine.inputs import Float, Int
from engine.registry import node
from engine.types import Audio
from nodes import diffusion, memory
from nodes.audio import Sound, sound_of
from nodes.latent_space import LatentSpace
from nodes.values import Latent, Vae

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

SPACE = LatentSpace(64, dims=1, factors=(1, 1, 2048))
RATE_HZ = 44100


@node(
    "EmptyLatentAudio",
    category="model/latent",
    display_name="Empty Latent Audio",
    memory=memory.empty_sound(SPACE.channels, RATE_HZ / SPACE.factors[2]),
)
def empty_latent(
    ctx: Context,
    *,
    seconds: Annotated[float, Float(min=1.0, max=1000.0, step=0.1)] = 47.6,
    batch_size: Annotated[int, Int(min=1, max=4096)] = 1,
) -> Latent:
    """Zeros to denoise: float[batch, 64, cells], an even number of cells, each of 2,048 samples at 44.1 kHz."""
    cells = round(seconds * RATE_HZ / SPACE.factors[2] / 2) * 2
    return Latent(torch.zeros(batch_size, SPACE.channels, cells), space=SPACE)


@node(
    "VAEDecodeAudio",
    category="model/latent",
    display_name="VAE Decode Audio",
    search_aliases=("latent to audio",),
    memory=memory.decoded_sound,
)
def decode(ctx: Context, *, samples: Latent, vae: Vae) -> Audio:
    """The sound of a latent: float[batch, 2, samples]; made quieter where it is very loud."""
    return diffusion.sounds.decode(ctx, vae, samples)


@node(
    "VAEDecodeAudioTiled",
    category="model/latent",
    display_name="VAE Decode Audio (Tiled)",
    search_aliases=("latent to audio",),
    memory=memory.decoded_sound,
)
def decode_tiled(
    ctx: Context,
    *,
    samples: Latent,
    vae: Vae,
    tile_size: Annotated[int, Int(min=32, max=8192, step=8)] = 512,
    overlap: Annotated[int, Int(min=0, max=1024, step=8)] = 64,
) -> Audio:
    """The same in overlapping pieces of ``tile_size`` cells, to save memory."""
    return diffusion.sounds.decode(ctx, vae, samples, (tile_size, overlap))


@node(
    "VAEEncodeAudio",
    category="model/latent",
    display_name="VAE Encode Audio",
    search_aliases=("audio to latent",),
    keep=True,
)
def encode(ctx: Context, *, audio: Sound, vae: Vae) -> Latent:
    """The latent of a sound, which is resampled to the rate of the VAE."""
    return Latent(diffusion.sounds.encode(ctx, vae, sound_of(audio, "encode")))
