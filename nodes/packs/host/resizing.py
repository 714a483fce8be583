"""``comfy.utils``, sizes: resizing, working tile by tile, and batches of a length."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from nodes.packs.host.progress import ProgressBar
from nodes.pictures import resize


def common_upscale(samples: Tensor, width: int, height: int, upscale_method: str, crop: str) -> Tensor:
    """Resize [batch, channels, height, width] (also with frames before the sides); ``crop``: ``center`` or not."""
    frames = samples.shape[2] if samples.ndim == 5 else None
    planes = samples if frames is None else samples.movedim(2, 1).flatten(0, 1)
    pixels = planes.movedim(1, -1)
    if upscale_method == "bislerp":
        from nodes.diffusion import latents

        middle = resize.crop_to_aspect(pixels, width / height) if crop == "center" else pixels
        made = latents.bislerp(middle.movedim(-1, 1), width, height)
    else:
        made = resize.to_size(pixels, int(width), int(height), upscale_method, crop=crop == "center").movedim(-1, 1)
    return made if frames is None else made.reshape(-1, frames, *made.shape[1:]).movedim(1, 2)


def lanczos(samples: Tensor, width: int, height: int) -> Tensor:
    """Resize [batch, channels, height, width] by Pillow's Lanczos."""
    return resize.to_size(samples.movedim(1, -1), int(width), int(height), "lanczos").movedim(-1, 1).to(samples)


def bislerp(samples: Tensor, width: int, height: int) -> Tensor:
    """Resize latents between whose cells directions are turned."""
    return common_upscale(samples, width, height, "bislerp", "disabled")


def get_tiled_scale_steps(width: int, height: int, tile_x: int, tile_y: int, overlap: int) -> int:
    """How many tiles there are."""
    return len(list(_starts(height, tile_y, overlap))) * len(list(_starts(width, tile_x, overlap)))


def tiled_scale(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile_x: int = 64,
    tile_y: int = 64,
    overlap: int = 8,
    upscale_amount: float = 4,
    out_channels: int = 3,
    output_device: Any = "cpu",
    pbar: ProgressBar | None = None,
) -> Tensor:
    """``function`` over overlapping tiles of [batch, channels, height, width], blended where they overlap."""
    height, width = samples.shape[-2:]
    shape = (samples.shape[0], out_channels, round(height * upscale_amount), round(width * upscale_amount))
    total, weight = torch.zeros(shape, device=output_device), torch.zeros((1, 1, *shape[2:]), device=output_device)
    for top, left in itertools.product(_starts(height, tile_y, overlap), _starts(width, tile_x, overlap)):
        made = function(samples[..., top : top + tile_y, left : left + tile_x]).to(output_device)
        y, x = round(top * upscale_amount), round(left * upscale_amount)
        mask = _feathered(made.shape[-2:], round(overlap * upscale_amount), made)
        rows, columns = slice(y, y + made.shape[-2]), slice(x, x + made.shape[-1])
        total[..., rows, columns] += made * mask
        weight[..., rows, columns] += mask
        if pbar is not None:
            pbar.update(1)
    return total / weight


def _starts(length: int, tile: int, overlap: int) -> Iterator[int]:
    step = max(tile - overlap, 1)
    count = max(math.ceil((length - overlap) / step), 1)
    yield from (max(min(number * step, length - tile), 0) for number in range(count))


def _feathered(sides: Any, overlap: int, like: Tensor) -> Tensor:
    """1 in the middle, falling towards the edges over ``overlap`` pixels; never 0."""
    height, width = sides

    def ramp(length: int) -> Tensor:
        places = torch.arange(length, dtype=torch.float32)
        return (torch.minimum(places, places.flip(0)) + 1).clamp(max=max(overlap, 1)) / max(overlap, 1)

    return (ramp(height)[:, None] * ramp(width)[None]).to(like)


def repeat_to_batch_size(tensor: Tensor, batch_size: int, dim: int = 0) -> Tensor:
    """As many items as asked for: cut, or repeated from the start."""
    count = tensor.shape[dim]
    if count > batch_size:
        return tensor.narrow(dim, 0, batch_size)
    if count == batch_size:
        return tensor
    repeats = [1] * tensor.ndim
    repeats[dim] = math.ceil(batch_size / count)
    return tensor.repeat(repeats).narrow(dim, 0, batch_size)
