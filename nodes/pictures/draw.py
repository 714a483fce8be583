"""Drawing pictures over one another: compositing, padding, stitching, Porter-Duff."""

from __future__ import annotations

import torch
from torch import Tensor

from nodes.pictures import batch, resize


def composite(destination: Tensor, source: Tensor, x_px: int, y_px: int, mask: Tensor | None = None) -> Tensor:
    """``source`` laid over ``destination`` at (x, y), where ``mask`` is 1; what juts out is cut off.

    Pictures: float32[batch, height, width, channels]; ``mask``: float32[batch, height, width], resized to the source.
    The result has the destination's size, batch and channels.
    """
    source = batch.fit_batch(batch.same_channels(source, destination), len(destination))
    height, width = source.shape[1:3]
    out = destination.clone(memory_format=torch.contiguous_format)
    visible = out[:, max(0, y_px) : max(0, y_px + height), max(0, x_px) : max(0, x_px + width)]
    rows = slice(max(0, -y_px), max(0, -y_px) + visible.shape[1])
    columns = slice(max(0, -x_px), max(0, -x_px) + visible.shape[2])
    drawn = source[:, rows, columns]
    if mask is not None:
        weight = batch.fit_batch(resize.mask_to_size(mask, width, height), len(source))[:, rows, columns, None]
        drawn = weight * drawn + (1.0 - weight) * visible
    visible.copy_(drawn)
    return out


def pad_for_outpaint(
    pixels: Tensor, left: int, top: int, right: int, bottom: int, feathering: int
) -> tuple[Tensor, Tensor]:
    """Grey borders of the given widths in pixels, and the mask (float32[1, height, width]) of what is to be painted.

    The mask is 1 in the borders and falls to 0 over ``feathering`` pixels inside the picture, quadratically with the
    distance from a padded side; there is no falloff where the picture is too small for it.
    """
    count, height, width, channels = pixels.shape
    padded = torch.full((count, height + top + bottom, width + left + right, channels), 0.5)
    padded[:, top : top + height, left : left + width] = pixels
    mask = torch.ones(1, height + top + bottom, width + left + right)
    inside = torch.zeros(height, width)
    if 0 < feathering * 2 < min(height, width):
        distance = torch.full((height, width), feathering)
        if top:
            distance = distance.minimum(torch.arange(height)[:, None])
        if bottom:
            distance = distance.minimum(torch.arange(height, 0, -1)[:, None])
        if left:
            distance = distance.minimum(torch.arange(width))
        if right:
            distance = distance.minimum(torch.arange(width, 0, -1))
        inside = ((feathering - distance).double() / feathering).square().float()
    mask[0, top : top + height, left : left + width] = inside
    return padded, mask


def fit_into(pixels: Tensor, width_px: int, height_px: int, method: str, fill: float) -> Tensor:
    """Resize to fit into a frame of this size, centred, the rest filled with the grey level ``fill``."""
    count, height, width, channels = pixels.shape
    scale = min(width_px / width, height_px / height)
    inner_width, inner_height = int(width * scale), int(height * scale)
    frame = torch.full((count, height_px, width_px, channels), fill)
    x, y = (width_px - inner_width) // 2, (height_px - inner_height) // 2
    frame[:, y : y + inner_height, x : x + inner_width] = resize.to_size(pixels, inner_width, inner_height, method)
    return frame


def stitch(
    first: Tensor, second: Tensor, direction: str, *, match_size: bool, gap_px: int, color: tuple[float, ...]
) -> Tensor:
    """``second`` set beside ``first``: to the right, down, left or up, with ``gap_px`` of ``color`` (RGB) between.

    ``match_size`` scales the second to the first's height (or width); otherwise the smaller one is centred on the
    colour (on black where the colour is no grey). A missing alpha channel is opaque.
    """
    sideways = direction in ("left", "right")
    count = max(len(first), len(second))
    first, second = batch.hold_last(first, count), batch.hold_last(second, count)
    if match_size:
        second = _scale_to(second, first, sideways)
    else:
        fill = color[0] if len(set(color)) == 1 else 0.0
        across = 1 if sideways else 2
        longest = max(first.shape[across], second.shape[across])
        first, second = (_centre(p, across, longest, fill) for p in (first, second))
    channels = max(first.shape[-1], second.shape[-1])
    parts = [batch.opaque(first, channels), batch.opaque(second, channels)]
    if direction in ("left", "up"):
        parts.reverse()
    if gap_px > 0:
        gap_px += gap_px % 2
        height, width = first.shape[1:3]
        shape = (count, height, gap_px, channels) if sideways else (count, gap_px, width, channels)
        parts.insert(1, torch.tensor([*color, 1.0])[:channels].expand(shape))
    return torch.cat(parts, dim=2 if sideways else 1)


def _scale_to(pixels: Tensor, like: Tensor, sideways: bool) -> Tensor:
    aspect = pixels.shape[2] / pixels.shape[1]
    height, width = like.shape[1:3]
    size = (int(height * aspect), height) if sideways else (width, int(width / aspect))
    return resize.to_size(pixels, *size, "lanczos")


def _centre(pixels: Tensor, dimension: int, length: int, fill: float) -> Tensor:
    if pixels.shape[dimension] == length:
        return pixels
    shape = list(pixels.shape)
    start, shape[dimension] = (length - shape[dimension]) // 2, length
    out = torch.full(shape, fill)
    out.narrow(dimension, start, pixels.shape[dimension]).copy_(pixels)
    return out


def porter_duff(
    source: Tensor, source_mask: Tensor, destination: Tensor, destination_mask: Tensor, mode: str
) -> tuple[Tensor, Tensor]:
    """Compositing of T. Porter and T. Duff (1984) and the blend modes of the W3C compositing draft.

    Pictures: float32[batch, height, width, channels] with straight colour; masks: 1 - alpha, all of one size.
    Returns the picture and its mask. ``mode``: SRC_OVER, DST_IN, XOR, MULTIPLY ...
    """
    sa, da = 1 - source_mask.unsqueeze(-1), 1 - destination_mask.unsqueeze(-1)
    s, d = source * sa, destination * da
    union = sa + da - sa * da
    both = (1 - da) * s + (1 - sa) * d
    overlay = torch.where(2 * d < da, 2 * s * d, sa * da - 2 * (da - s) * (sa - d))
    modes = {
        "ADD": lambda: ((s + d).clamp(0, 1), (sa + da).clamp(0, 1)),
        "CLEAR": lambda: (torch.zeros_like(d), torch.zeros_like(da)),
        "DARKEN": lambda: (both + torch.minimum(s, d), union),
        "DST": lambda: (d, da),
        "DST_ATOP": lambda: (sa * d + (1 - da) * s, sa),
        "DST_IN": lambda: (d * sa, sa * da),
        "DST_OUT": lambda: ((1 - sa) * d, (1 - sa) * da),
        "DST_OVER": lambda: (d + (1 - da) * s, da + (1 - da) * sa),
        "LIGHTEN": lambda: (both + torch.maximum(s, d), union),
        "MULTIPLY": lambda: (s * d, sa * da),
        "OVERLAY": lambda: (overlay, union),
        "SCREEN": lambda: (s + d - s * d, union),
        "SRC": lambda: (s, sa),
        "SRC_ATOP": lambda: (da * s + (1 - sa) * d, da),
        "SRC_IN": lambda: (s * da, sa * da),
        "SRC_OUT": lambda: ((1 - da) * s, (1 - da) * sa),
        "SRC_OVER": lambda: (s + (1 - sa) * d, sa + (1 - sa) * da),
        "XOR": lambda: (both, (1 - da) * sa + (1 - sa) * da),
    }
    color, alpha = modes[mode]()
    straight = torch.where(alpha > 1e-5, color / alpha, torch.zeros_like(color)).clamp(0, 1)
    return straight, (1 - alpha).squeeze(-1)
