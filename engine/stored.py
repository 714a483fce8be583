"""Turns weights as a file stores them into the numbers they stand for, in a given format and on a given device."""

from __future__ import annotations

import torch
from torch import Tensor


def bytes_as(tensor: Tensor, dtype: torch.dtype) -> int:
    """What ``tensor`` takes once its floating-point numbers are of this format."""
    return tensor.numel() * (dtype.itemsize if tensor.is_floating_point() else tensor.element_size())


def dequantized(stored: Tensor, scale: Tensor, device: torch.device) -> Tensor:
    """The weight that ``stored`` times ``scale`` (one number, or one for each row) is: float32, on ``device``."""
    by_row = scale.to(device).reshape(-1, *[1] * (stored.ndim - 1)) if scale.numel() > 1 else scale.to(device)
    return stored.detach().to(device, torch.float32) * by_row


def exact(stored: Tensor, active: Tensor, scale: Tensor | None) -> Tensor:
    """The weight in float32 on the device, from the copy there unless casting has rounded that one."""
    rounded = active.dtype not in (stored.dtype, torch.float32)
    if rounded and scale is not None:
        return dequantized(stored, scale, active.device)
    return (stored if rounded else active).detach().to(active.device, torch.float32)
