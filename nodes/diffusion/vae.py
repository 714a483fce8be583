"""Pictures to latents and back through a VAE, whole or, where memory does not suffice, in tiles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.context import Context
from engine.errors import InputInvalid
from engine.host_memory import free_memory_bytes
from nodes.diffusion import noise
from nodes.diffusion.vae_tiled import Scale, Tiles, blend_tiles, by_tile, decoded, encoded
from nodes.latent_space import LatentSpace
from nodes.values import Vae

log = logging.getLogger(__name__)

# The widest layers at the picture's size: 128 channels of float32, some four copies of them at a time.
_WORK_BYTES_PER_PIXEL = 128 * 4 * 4
_ALWAYS_BYTES = 2**30  # tiles of 512 pixels take half of that

# The sizes of the tiles that memory shortage falls back to, in pixels.
FALLBACK_TILE_PX = 512
FALLBACK_DECODE_OVERLAP_PX = 128
FALLBACK_ENCODE_OVERLAP_PX = 64


def decode(ctx: Context, vae: Vae, samples: Tensor, noise_end: Tensor | None = None) -> Tensor:
    """Latents, float[batch, channels, h, w] without the denoiser's scale, to pictures, float32[batch, H, W, 3], 0..1.

    ``noise_end``: see :class:`nodes.values.Latent`; what a decoder draws without it is always the same. Falls back to
    tiles where the device runs out of memory.
    """
    with _lent(ctx, vae, noise_end) as network:
        samples = _fitting(samples, network.space)
        if not _fits(ctx, network, samples[:1], network.factor):
            return _decode_tiled(ctx, network, samples, FALLBACK_TILE_PX, FALLBACK_DECODE_OVERLAP_PX)
        try:
            count = _at_once(network, samples)
            parts = (samples[start : start + count] for start in range(0, len(samples), count))
            pictures = [_each(ctx, network.decode, part) for part in parts]
            return _to_picture(torch.cat(pictures))
        except torch.OutOfMemoryError:
            log.warning("the VAE ran out of memory; decoding in tiles of %d px instead", FALLBACK_TILE_PX)
        return _decode_tiled(ctx, network, samples, FALLBACK_TILE_PX, FALLBACK_DECODE_OVERLAP_PX)


def encode(ctx: Context, vae: Vae, pixels: Tensor) -> Tensor:
    """Pictures, float32[batch, H, W, 3 or 4], 0..1, to latents, float32[batch, channels, H / 8, W / 8].

    A picture whose sides are no multiples of 8 is cropped around its centre; an alpha channel is dropped. The latent
    is the mean of the posterior, without the denoiser's scale. Falls back to tiles where memory runs out.
    """
    with _lent(ctx, vae) as network:
        planes = _to_planes(ctx, pixels, network.space)
        if not _fits(ctx, network, planes[:1], 1):
            return _encode_tiled(ctx, network, planes, FALLBACK_TILE_PX, FALLBACK_ENCODE_OVERLAP_PX)
        try:
            return torch.cat([_each(ctx, network.encode, item) for item in planes.chunk(len(planes))])
        except torch.OutOfMemoryError:
            log.warning("the VAE ran out of memory; encoding in tiles of %d px instead", FALLBACK_TILE_PX)
        return _encode_tiled(ctx, network, planes, FALLBACK_TILE_PX, FALLBACK_ENCODE_OVERLAP_PX)


@dataclass(frozen=True, slots=True)
class TimeTiles:
    """How many frames of a film a tile has, and how many of them the next one has too."""

    frames: int
    overlap: int

    def steps(self, per_step: int) -> tuple[int, int]:
        """The same in steps of a latent, each of ``per_step`` frames."""
        overlap = self.overlap // 2 if self.frames < self.overlap * 2 else self.overlap
        size = max(2, self.frames // per_step)
        return size, max(1, min(size // 2, overlap // per_step))

    def whole_steps(self, per_step: int) -> tuple[int, int]:
        """The same in frames that make whole steps."""

        def steps(frames: int) -> int:
            return (frames + per_step - 1) // per_step

        def frames(steps: int) -> int:
            return steps * per_step - per_step + 1

        size = max(2, steps(self.frames))
        return frames(size), frames(max(1, min(size // 2, steps(self.overlap))))


ALL_FRAMES = TimeTiles(10**6, 1)


def decode_tiled(
    ctx: Context,
    vae: Vae,
    samples: Tensor,
    *,
    tile_px: int,
    overlap_px: int,
    time: TimeTiles = ALL_FRAMES,
    noise_end: Tensor | None = None,
) -> Tensor:
    """As :func:`decode`, in overlapping tiles that are blended; sizes are the picture's. At most 1/4 overlaps.

    ``time``: where latents have one, the same along it; the first frame of each tile is decoded as if it were a film's.
    """
    with _lent(ctx, vae, noise_end) as network:
        samples = _fitting(samples, network.space)
        return _decode_tiled(ctx, network, samples, tile_px, min(overlap_px, tile_px // 4), time)


def encode_tiled(
    ctx: Context, vae: Vae, pixels: Tensor, *, tile_px: int, overlap_px: int, time: TimeTiles = ALL_FRAMES
) -> Tensor:
    """As :func:`encode`, in overlapping tiles that are blended; sizes are the picture's. At most 1/4 overlaps."""
    with _lent(ctx, vae) as network:
        planes = _to_planes(ctx, pixels, network.space)
        return _encode_tiled(ctx, network, planes, tile_px, min(overlap_px, tile_px // 4), time)


@dataclass(frozen=True, slots=True)
class _Network:
    """A lent VAE: tensors go in and come out on the CPU. ``factor``: pixels a latent pixel, along each side.

    ``source``: what its decoder draws from.
    """

    vae: Vae
    module: Any
    source: torch.Generator

    @property
    def space(self) -> LatentSpace:
        return self.vae.space

    @property
    def factor(self) -> int:
        return self.space.factors[2]

    def decode(self, samples: Tensor) -> Tensor:
        """Latents to planes in -1..1."""
        if self.vae.kind.draws:
            return self.vae.kind.part.decode_drawing(self.module, samples, self.source)
        return self.vae.kind.part.decode(self.module, samples)

    def encode(self, planes: Tensor) -> Tensor:
        """Planes in 0..1 to latents."""
        return self.vae.kind.part.encode(self.module, planes * 2 - 1)


@contextmanager
def _lent(ctx: Context, vae: Vae, noise_end: Tensor | None = None) -> Iterator[_Network]:
    if vae.sample_rate_hz:
        raise InputInvalid(
            f"this VAE ({vae.kind.title}) is for sound, not for pictures",
            input="vae",
            remedy="use VAEDecodeAudio or VAEEncodeAudio",
        )
    source = noise.generator(0)
    if noise_end is not None:
        source.set_state(noise_end)
    with torch.no_grad(), ctx.models.lease(vae.weights) as module:
        yield _Network(vae, module, source)


def _fits(ctx: Context, network: _Network, item: Tensor, factor: int) -> bool:
    """Whether the host's memory holds the widest layers for a picture of ``factor`` times the item's sides.

    Devices say so themselves, and films are taken in pieces; the system would end this process.
    """
    if ctx.models.device.type != "cpu" or network.space.dims != 2:
        return True
    pixels = item.shape[-1] * item.shape[-2] * factor**2
    fits = pixels * _WORK_BYTES_PER_PIXEL < max(free_memory_bytes(), _ALWAYS_BYTES)
    if not fits:
        log.warning("memory does not hold the VAE's work on %.0f megapixels; it is done in tiles", pixels / 1e6)
    return fits


def _at_once(network: _Network, samples: Tensor) -> int:
    """How many latents are decoded together: one; of a film's frames as many as memory holds."""
    if not network.vae.kind.together:
        return 1
    pixels = samples.shape[-1] * samples.shape[-2] * network.factor**2
    return max(1, max(free_memory_bytes(), _ALWAYS_BYTES) // (pixels * _WORK_BYTES_PER_PIXEL))


def _each(ctx: Context, run: Callable[[Tensor], Tensor], item: Tensor) -> Tensor:
    ctx.check_cancelled()
    return run(item)


def _decode_tiled(
    ctx: Context, network: _Network, samples: Tensor, tile_px: int, overlap_px: int, time: TimeTiles = ALL_FRAMES
) -> Tensor:
    tile, overlap = max(tile_px // network.factor, 1), overlap_px // network.factor
    steps = time.steps(network.space.factors[0]) if network.space.dims == 3 else None
    tilings = _tilings(tile, overlap, steps)
    return _to_picture(_mean_of(ctx, network.decode, samples, tilings, decoded(network.space)))


def _encode_tiled(
    ctx: Context, network: _Network, planes: Tensor, tile_px: int, overlap_px: int, time: TimeTiles = ALL_FRAMES
) -> Tensor:
    frames = None
    if network.space.dims == 3:
        per_step = network.space.factors[0]
        frames = time.whole_steps(per_step)
        planes = planes[:, :, : (planes.shape[2] - 1) // per_step * per_step + 1]
    tilings = _tilings(tile_px, overlap_px, frames)
    return _mean_of(ctx, network.encode, planes, tilings, encoded(network.space))


def _tilings(tile: int, overlap: int, time: tuple[int, int] | None) -> list[Tiles]:
    """Square, flat and tall tiles for a picture, so that no seam falls on the same place thrice; films take so long
    that one tiling, with ``time`` as size and overlap, has to do.
    """
    if time is not None:
        return [Tiles((time[0], tile, tile), (time[1], overlap, overlap))]
    shapes = [(tile, tile), (tile // 2, tile * 2), (tile * 2, tile // 2)]
    return [Tiles(shape, (overlap, overlap)) for shape in shapes]


def _mean_of(
    ctx: Context, run: Callable[[Tensor], Tensor], whole: Tensor, tilings: Sequence[Tiles], scales: Sequence[Scale]
) -> Tensor:
    step = by_tile(ctx, run, sum(tiles.count(whole) for tiles in tilings), "picture")
    blended = [blend_tiles(step, whole, tiles, scales) for tiles in tilings]
    return blended[0] if len(blended) == 1 else torch.stack(blended).mean(dim=0)


def _to_planes(ctx: Context, pixels: Tensor, space: LatentSpace) -> Tensor:
    """[batch, H, W, channels] to [batch, 3, H', W'] with sides of whole cells; where cells have a time too, to one
    film, [1, 3, batch, H', W'].
    """
    if not len(pixels):
        raise InputInvalid("there is no picture to encode: the batch is empty", input="pixels")
    factors = space.factors[1:]
    height, width = (side // factor * factor for side, factor in zip(pixels.shape[1:3], factors, strict=True))
    if not height or not width:
        raise InputInvalid(
            f"a picture of {pixels.shape[2]}x{pixels.shape[1]} px is too small for the VAE",
            input="pixels",
            remedy=f"use at least {factors[1]}x{factors[0]} px",
        )
    if (height, width) != tuple(pixels.shape[1:3]):
        shape = f"{pixels.shape[2]}x{pixels.shape[1]} px"
        ctx.note(f"the picture of {shape} is cropped to {width}x{height}, around its centre, for the VAE's cells")
    top, left = ((side % factor) // 2 for side, factor in zip(pixels.shape[1:3], factors, strict=True))
    planes = pixels[:, top : top + height, left : left + width, :3].movedim(-1, 1)
    return planes.movedim(0, 1)[None] if space.dims == 3 else planes


def _to_picture(planes: Tensor) -> Tensor:
    """Planes to pictures, a film's frames one after another."""
    pictures = ((planes + 1) / 2).clamp(0, 1).movedim(1, -1)
    return (pictures.flatten(0, 1) if pictures.ndim == 5 else pictures).contiguous()


def _fitting(samples: Tensor, space: LatentSpace) -> Tensor:
    """The latents as the VAE takes them: a film's first frame, or a picture as a film, where it reads the other."""
    if not len(samples):
        raise InputInvalid("there is no latent to decode: the batch is empty", input="samples")
    if space.dims == 2 and samples.ndim == 5:
        samples = samples[:, :, 0]
    elif space.dims == 3 and samples.ndim == 4:
        samples = samples[:, :, None]
    if samples.ndim != 2 + space.dims or samples.shape[1] != space.channels:
        raise InputInvalid(
            f"this VAE decodes latents of {space.channels} channels and was given shape {tuple(samples.shape)}",
            input="samples",
            remedy="use the VAE of the checkpoint that made the latent",
        )
    return samples
