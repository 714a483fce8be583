"""Pictures to latents and back through a VAE, whole or, where memory does not suffice, in tiles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.context import Context
from engine.errors import DeviceMemoryExhausted, InputInvalid
from nodes.diffusion.vae_config import PixelSpace
from nodes.diffusion.vae_tiled import blend_tiles, count_tiles
from nodes.values import Vae

log = logging.getLogger(__name__)

# The sizes of the tiles that memory shortage falls back to, in pixels.
FALLBACK_TILE_PX = 512
FALLBACK_DECODE_OVERLAP_PX = 128
FALLBACK_ENCODE_OVERLAP_PX = 64


def decode(ctx: Context, vae: Vae, samples: Tensor) -> Tensor:
    """Latents, float[batch, channels, h, w] without the denoiser's scale, to pictures, float32[batch, H, W, 3], 0..1.

    Falls back to tiles where the device runs out of memory.
    """
    with _lent(ctx, vae) as network:
        _check_latent(samples, network)
        try:
            pictures = [_each(ctx, network.decode, item) for item in samples.chunk(len(samples))]
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
        planes = _to_planes(pixels, network.factor)
        try:
            return torch.cat([_each(ctx, network.encode, item) for item in planes.chunk(len(planes))])
        except torch.OutOfMemoryError:
            log.warning("the VAE ran out of memory; encoding in tiles of %d px instead", FALLBACK_TILE_PX)
        return _encode_tiled(ctx, network, planes, FALLBACK_TILE_PX, FALLBACK_ENCODE_OVERLAP_PX)


def decode_tiled(ctx: Context, vae: Vae, samples: Tensor, *, tile_px: int, overlap_px: int) -> Tensor:
    """As :func:`decode`, in overlapping tiles that are blended; sizes are the picture's. At most 1/4 overlaps."""
    with _lent(ctx, vae) as network:
        _check_latent(samples, network)
        return _decode_tiled(ctx, network, samples, tile_px, min(overlap_px, tile_px // 4))


def encode_tiled(ctx: Context, vae: Vae, pixels: Tensor, *, tile_px: int, overlap_px: int) -> Tensor:
    """As :func:`encode`, in overlapping tiles that are blended; sizes are the picture's. At most 1/4 overlaps."""
    with _lent(ctx, vae) as network:
        return _encode_tiled(ctx, network, _to_planes(pixels, network.factor), tile_px, min(overlap_px, tile_px // 4))


@dataclass(frozen=True, slots=True)
class _Network:
    """A lent VAE: tensors go in and come out on the CPU. ``factor``: pixels a latent pixel, along each side."""

    module: Any

    @property
    def factor(self) -> int:
        return 1 if self._pixels else 2 ** (len(self.module.config.block_out_channels) - 1)

    @property
    def channels(self) -> int:
        return 3 if self._pixels else int(self.module.config.latent_channels)

    def decode(self, samples: Tensor) -> Tensor:
        """Latents to planes in -1..1."""
        return samples if self._pixels else self._host(self.module.decode(self._device(samples)).sample)

    def encode(self, planes: Tensor) -> Tensor:
        """Planes in 0..1 to latents."""
        planes = planes * 2 - 1
        return planes if self._pixels else self._host(self.module.encode(self._device(planes)).latent_dist.mode())

    @property
    def _pixels(self) -> bool:
        return isinstance(self.module, PixelSpace)

    def _device(self, tensor: Tensor) -> Tensor:
        weight = self.module.decoder.conv_in.weight
        # A CPU's convolutions of a VAE take 0.85 to 0.92 of the time with each pixel's channels side by side.
        layout = torch.channels_last if weight.device.type == "cpu" else torch.preserve_format
        return tensor.to(weight.device, weight.dtype, memory_format=layout)

    def _host(self, tensor: Tensor) -> Tensor:
        return tensor.to("cpu", torch.float32)


@contextmanager
def _lent(ctx: Context, vae: Vae) -> Iterator[_Network]:
    with torch.no_grad(), ctx.models.lease(vae.weights) as module:
        yield _Network(module)


def _each(ctx: Context, run: Callable[[Tensor], Tensor], item: Tensor) -> Tensor:
    ctx.check_cancelled()
    return run(item)


def _decode_tiled(ctx: Context, network: _Network, samples: Tensor, tile_px: int, overlap_px: int) -> Tensor:
    tile, overlap = max(tile_px // network.factor, 1), overlap_px // network.factor
    return _to_picture(_three_ways(ctx, network.decode, samples, tile, overlap, network.factor))


def _encode_tiled(ctx: Context, network: _Network, planes: Tensor, tile_px: int, overlap_px: int) -> Tensor:
    return _three_ways(ctx, network.encode, planes, tile_px, overlap_px, 1 / network.factor)


def _three_ways(
    ctx: Context, run: Callable[[Tensor], Tensor], whole: Tensor, tile: int, overlap: int, scale: float
) -> Tensor:
    """The mean over square, flat and tall tiles, so that no seam falls on the same place thrice."""
    shapes = [(tile, tile), (tile // 2, tile * 2), (tile * 2, tile // 2)]
    total = sum(count_tiles(whole, shape, overlap) for shape in shapes)
    done = 0

    def step(part: Tensor) -> Tensor:
        nonlocal done
        ctx.check_cancelled()
        try:
            result = run(part)
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryExhausted(
                "the device's memory does not hold one tile of this picture", remedy="use smaller tiles"
            ) from error
        done += 1
        ctx.progress(done, total)
        return result

    blended = [blend_tiles(step, whole, shape, overlap, scale) for shape in shapes]
    return torch.stack(blended).mean(dim=0)


def _to_planes(pixels: Tensor, factor: int) -> Tensor:
    """[batch, H, W, channels] to [batch, 3, H', W'] with sides that are multiples of ``factor``."""
    if not len(pixels):
        raise InputInvalid("there is no picture to encode: the batch is empty", input="pixels")
    height, width = (side // factor * factor for side in pixels.shape[1:3])
    if not height or not width:
        raise InputInvalid(
            f"a picture of {pixels.shape[2]}x{pixels.shape[1]} px is too small for the VAE",
            input="pixels",
            remedy=f"use at least {factor}x{factor} px",
        )
    top, left = ((side % factor) // 2 for side in pixels.shape[1:3])
    return pixels[:, top : top + height, left : left + width, :3].movedim(-1, 1)


def _to_picture(planes: Tensor) -> Tensor:
    return ((planes + 1) / 2).clamp(0, 1).movedim(1, -1).contiguous()


def _check_latent(samples: Tensor, network: _Network) -> None:
    if not len(samples):
        raise InputInvalid("there is no latent to decode: the batch is empty", input="samples")
    if samples.ndim != 4 or samples.shape[1] != network.channels:
        raise InputInvalid(
            f"this VAE decodes latents of {network.channels} channels and was given shape {tuple(samples.shape)}",
            input="samples",
            remedy="use the VAE of the checkpoint that made the latent",
        )
