"""Fitting batches to each other: how many pictures, how many channels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def fit_batch(values: Tensor, batch: int) -> Tensor:
    """``batch`` items: the first ones, or all of them repeated in turn."""
    if len(values) >= batch:
        return values[:batch]
    return values[torch.arange(batch) % len(values)]


def hold_last(values: Tensor, batch: int) -> Tensor:
    """``batch`` items at least: the last one repeated."""
    return (
        torch.cat([values, values[-1:].expand(batch - len(values), *values.shape[1:])])
        if len(values) < batch
        else values
    )


def opaque(pixels: Tensor, channels: int) -> Tensor:
    """At least ``channels`` channels (the last dimension): what is missing is filled with ones, as alpha would be."""
    return functional.pad(pixels, (0, max(0, channels - pixels.shape[-1])), value=1.0)


def same_channels(pixels: Tensor, like: Tensor) -> Tensor:
    """As many channels as ``like`` has: surplus ones are dropped, a missing alpha is opaque."""
    return opaque(pixels[..., : like.shape[-1]], like.shape[-1])
