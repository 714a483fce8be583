"""Nodes between pictures and latents: VAE encode and decode, whole and in tiles."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import Int
from engine.registry import node
from engine.types import Image
from nodes import diffusion, memory
from nodes.values import Latent, Vae

MAX_TILE_PX = 4096

Overlap = Annotated[int, Int(min=0, max=MAX_TILE_PX, step=32)]
TemporalSize = Annotated[
    int, Int(min=8, max=4096, step=4, tooltip="Only used for video VAEs: Amount of frames to decode at a time.")
]
TemporalOverlap = Annotated[
    int, Int(min=4, max=4096, step=4, tooltip="Only used for video VAEs: Amount of frames to overlap.")
]


@node("VAEDecode", category="latent", display_name="VAE Decode", memory=memory.decoded, keep=True)
def vae_decode(ctx: Context, *, samples: Latent, vae: Vae) -> Image:
    """The picture of a latent: float32[batch, height * 8, width * 8, 3], 0..1."""
    return Image(diffusion.vae.decode(ctx, vae, samples.samples, samples.noise_end))


@node("VAEDecodeTiled", category="_for_testing", display_name="VAE Decode (Tiled)", memory=memory.decoded, keep=True)
def vae_decode_tiled(
    ctx: Context,
    *,
    samples: Latent,
    vae: Vae,
    tile_size: Annotated[int, Int(min=64, max=MAX_TILE_PX, step=32)] = 512,
    overlap: Overlap = 64,
    temporal_size: TemporalSize = 64,
    temporal_overlap: TemporalOverlap = 8,
) -> Image:
    """The picture of a latent, decoded in overlapping tiles of ``tile_size`` pixels to save memory."""
    time = diffusion.vae.TimeTiles(temporal_size, temporal_overlap)
    return Image(
        diffusion.vae.decode_tiled(
            ctx,
            vae,
            samples.samples,
            tile_px=tile_size,
            overlap_px=overlap,
            time=time,
            noise_end=samples.noise_end,
        )
    )


@node("VAEEncode", category="latent", display_name="VAE Encode", keep=True)
def vae_encode(ctx: Context, *, pixels: Image, vae: Vae) -> Latent:
    """The latent of a picture: float32[batch, 4, height / 8, width / 8]. Sides are cropped to multiples of 8."""
    return Latent(diffusion.vae.encode(ctx, vae, pixels.pixels))


@node("VAEEncodeTiled", category="_for_testing", display_name="VAE Encode (Tiled)", keep=True)
def vae_encode_tiled(
    ctx: Context,
    *,
    pixels: Image,
    vae: Vae,
    tile_size: Annotated[int, Int(min=64, max=MAX_TILE_PX, step=64)] = 512,
    overlap: Overlap = 64,
    temporal_size: TemporalSize = 64,
    temporal_overlap: TemporalOverlap = 8,
) -> Latent:
    """The latent of a picture, encoded in overlapping tiles of ``tile_size`` pixels to save memory."""
    time = diffusion.vae.TimeTiles(temporal_size, temporal_overlap)
    return Latent(diffusion.vae.encode_tiled(ctx, vae, pixels.pixels, tile_px=tile_size, overlap_px=overlap, time=time))
