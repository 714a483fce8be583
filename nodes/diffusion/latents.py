"""Geometry of latents: resizing, composing, cutting and turning, without writing to what came in."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.inputs import repeat_batch

PARALLEL = 1e-5


def resize(samples: Tensor, width: int, height: int, method: str, crop: bool = False) -> Tensor:
    """``samples`` (float[batch, channels, ..., h, w]; films frame by frame) at ``width`` x ``height``.

    ``method``: nearest-exact, bilinear, area, bicubic or bislerp; ``crop``: cut to the new aspect ratio first, from
    the centre, instead of stretching.
    """
    if samples.ndim > 4:
        return frame_by_frame(samples, lambda frames: resize(frames, width, height, method, crop))
    if crop:
        samples = crop_to_aspect(samples, width, height)
    if method == "bislerp":
        return bislerp(samples, width, height)
    return F.interpolate(samples, size=(height, width), mode=method)


def frame_by_frame(film: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """``film``, float[batch, channels, ..., h, w], with ``change`` made to all its frames as one batch of pictures."""
    frames = film.flatten(2, -3).movedim(2, 1).flatten(0, 1)
    changed = change(frames)
    films = changed.reshape(film.shape[0], -1, *changed.shape[1:]).movedim(1, 2)
    return films.reshape(film.shape[0], changed.shape[1], *film.shape[2:-2], *changed.shape[-2:])


def crop_to_aspect(samples: Tensor, width: int, height: int) -> Tensor:
    """The largest centred part with the aspect ratio of ``width`` x ``height``."""
    old_height, old_width = samples.shape[-2:]
    old, new = old_width / old_height, width / height
    x = round((old_width - old_width * (new / old)) / 2) if old > new else 0
    y = round((old_height - old_height * (old / new)) / 2) if old < new else 0
    return samples[..., y : old_height - y, x : old_width - x]


def bislerp(samples: Tensor, width: int, height: int) -> Tensor:
    """Resize by spherical interpolation of the channel vectors, first along x, then along y.

    Keeps the vectors' lengths where linear interpolation would shorten them. Shoemake 1985, doi:10.1145/325334.325242.
    """
    wide = _slerp_resize(samples.float(), width)
    return _slerp_resize(wide.transpose(-1, -2), height).transpose(-1, -2).to(samples.dtype).contiguous()


def _slerp_resize(samples: Tensor, length: int) -> Tensor:
    """Resize the last dimension of float32[batch, channels, h, w]."""
    left, right, share = _neighbours(samples.shape[-1], length)
    return _slerp(samples[..., left], samples[..., right], share)


def _neighbours(old: int, new: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each new sample: the two old ones it lies between, and how far it is towards the second."""
    index = torch.arange(old, dtype=torch.float32).view(1, 1, 1, -1)
    after = torch.minimum(index + 1, torch.tensor(old - 1.0))
    left = F.interpolate(index, size=(1, new), mode="bilinear").flatten()
    right = F.interpolate(after, size=(1, new), mode="bilinear").flatten()
    return left.long(), right.long(), left - left.floor()


def _slerp(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """Spherical interpolation along dimension 1: directions on the arc, lengths linearly."""
    length_a, length_b = (torch.linalg.vector_norm(v, dim=1, keepdim=True) for v in (a, b))
    unit_a, unit_b = (torch.where(n == 0, 0.0, v / n) for v, n in ((a, length_a), (b, length_b)))
    cosine = (unit_a * unit_b).sum(dim=1, keepdim=True)
    angle = torch.acos(cosine)
    arc = torch.sin((1 - share) * angle) * unit_a + torch.sin(share * angle) * unit_b
    between = arc / torch.sin(angle) * (length_a * (1 - share) + length_b * share)
    between = torch.where(cosine > 1 - PARALLEL, a, between)
    return torch.where(cosine < PARALLEL - 1, a * (1 - share) + b * share, between)


# --- putting latents together ------------------------------------------------------------------------------------


def fit(latent: Tensor, like: Tensor, repeat: bool = True, method: str = "bilinear") -> Tensor:
    """``latent`` resized to the height and width of ``like`` and, with ``repeat``, to its batch size."""
    if latent.shape[1] != like.shape[1]:
        raise InputInvalid(
            f"latents of {like.shape[1]} and {latent.shape[1]} channels do not go together",
            input="samples2",
            remedy="take latents of one model family",
        )
    if latent.shape[-2:] != like.shape[-2:]:
        latent = resize(latent, like.shape[-1], like.shape[-2], method, crop=True)
    return repeat_batch(latent, like.shape[0]) if repeat else latent


def paste(target: Tensor, source: Tensor, x: int, y: int, feather: int = 0) -> Tensor:
    """``source`` laid over ``target`` with its corner at (x, y), faded over ``feather`` where it ends inside.

    Both float[batch, channels, height, width]; what hangs over the border is cut off.
    """
    target = target.clone()
    height, width = target.shape[-2:]
    if y >= height or x >= width:
        return target
    part = source[..., : height - y, : width - x]
    share = _fading(part, (y != 0, y + source.shape[-2] < height), (x != 0, x + source.shape[-1] < width), feather)
    area = target[..., y : y + part.shape[-2], x : x + part.shape[-1]]
    area.copy_(part * share + area * (1 - share))
    return target


def _fading(part: Tensor, rows: tuple[bool, bool], columns: tuple[bool, bool], feather: int) -> Tensor:
    ramp = torch.arange(1, feather + 1, dtype=torch.float32) / max(feather, 1)
    fades = []
    for length, (start, end) in ((part.shape[-2], rows), (part.shape[-1], columns)):
        fade, span = torch.ones(length), min(feather, length)
        if start:
            fade[:span] *= ramp[:span]
        if end:
            fade[length - span :] *= ramp[:span].flip(0)
        fades.append(fade)
    return (fades[0][:, None] * fades[1]).to(part)


def composite(target: Tensor, source: Tensor, x: int, y: int, mask: Tensor | None, resize_source: bool) -> Tensor:
    """``source`` over ``target`` at (x, y) in latent pixels, where ``mask`` (any size, [batch, h, w]) lets it through.

    Positions may be negative; what hangs over the border is cut off.
    """
    height, width = target.shape[-2:]
    if resize_source:
        source = resize(source, width, height, "bilinear")
    source = repeat_batch(source, target.shape[0])
    shares = torch.ones_like(source[:, :1])
    if mask is not None:
        mask = mask.reshape(-1, 1, *mask.shape[-2:]).to(source)
        shares = repeat_batch(F.interpolate(mask, size=source.shape[-2:], mode="bilinear"), target.shape[0])
        shares = shares.reshape(shares.shape[0], *(1,) * (source.ndim - 3), *shares.shape[-2:])
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + source.shape[-2], height), min(x + source.shape[-1], width)
    target = target.clone()
    if bottom > top and right > left:
        inside = (..., slice(top - y, bottom - y), slice(left - x, right - x))
        area = target[..., top:bottom, left:right]
        area.copy_(source[inside] * shares[inside] + area * (1 - shares[inside]))
    return target


def interpolate(a: Tensor, b: Tensor, ratio: float) -> Tensor:
    """Between two latents: directions mixed linearly and renormalised, lengths linearly; ``ratio`` is ``a``'s share."""
    length_a, length_b = (torch.linalg.vector_norm(v, dim=1, keepdim=True) for v in (a, b))
    mixed = (a / length_a).nan_to_num() * ratio + (b / length_b).nan_to_num() * (1 - ratio)
    direction = (mixed / torch.linalg.vector_norm(mixed, dim=1, keepdim=True)).nan_to_num()
    between: Tensor = direction * (length_a * ratio + length_b * (1 - ratio))
    return between


# A film's latent has a time axis there, a picture's its channels.
_AXES = {"x": -1, "y": -2, "t": -3}


def join(first: Tensor, second: Tensor, dim: str) -> Tensor:
    """Side by side along ``dim`` (x, y or t), the second repeated to the first one's batch; with a minus, it leads."""
    second = repeat_batch(second, first.shape[0])
    axis = _AXES[dim.lstrip("-")]
    others = [(a, b) for i, (a, b) in enumerate(zip(first.shape, second.shape, strict=True)) if i != first.ndim + axis]
    if any(a != b for a, b in others):
        raise InputInvalid(
            f"latents of shapes {tuple(first.shape)} and {tuple(second.shape)} do not fit side by side along {dim}",
            input="samples2",
            remedy="resize one of them",
        )
    return torch.cat([second, first] if dim.startswith("-") else [first, second], dim=axis)


def cut(samples: Tensor, dim: str, index: int, amount: int) -> Tensor:
    """``amount`` slices along ``dim`` (x, y or t) from ``index`` on, as many as there are; negative: from the end."""
    axis = _AXES[dim]
    length = samples.shape[axis]
    start = min(index, length - 1) if index >= 0 else max(index, -length) + length
    return samples.narrow(axis, start, min(length - start, amount)).clone()


_MEAN_BELOW, _MEAN_ABOVE = 0.3, 0.35
_SPREAD_BELOW, _SPREAD_ABOVE = 0.35, 0.5


def start_normalized(samples: Tensor, count: int, reference_count: int) -> Tensor:
    """``samples``, [batch, channels, steps, height, width], whose first ``count`` steps get the mean and the standard
    deviation of the ``reference_count`` after them, as far as those are near to their own (Kandinsky 5's limits).
    """
    start, rest = samples[:, :, :count], samples[:, :, count:]
    reference = rest[:, :, : min(reference_count, samples.shape[2] - 1)]
    mean, spread = start.mean((1, 3, 4), keepdim=True), start.std((1, 3, 4), keepdim=True)
    wanted_mean = reference.mean().clamp(mean - _MEAN_BELOW, mean + _MEAN_ABOVE)
    wanted_spread = reference.std().clamp(spread - _SPREAD_BELOW, spread + _SPREAD_ABOVE)
    return torch.cat([(start - mean) / (spread + 1e-8) * wanted_spread + wanted_mean, rest], dim=2)
