"""Turns weights as a file stores them into the numbers they stand for, in a given format and on a given device."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.quantized import Plain, Quantized


def bytes_as(tensor: Tensor, dtype: torch.dtype) -> int:
    """What ``tensor`` takes once it is where it is computed, its floating-point numbers in this format."""
    if isinstance(tensor, Quantized):
        return tensor.stored_bytes
    is_cast = tensor.is_floating_point() and tensor.dtype.itemsize > 1
    return tensor.numel() * (dtype.itemsize if is_cast else tensor.element_size())


def bytes_of(tensor: Tensor) -> int:
    """What ``tensor`` takes now."""
    return tensor.stored_bytes if isinstance(tensor, Quantized) else tensor.nbytes


def brought(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """``tensor`` on ``device``, its floating-point numbers in the format ``dtype``; those of 8 bits stay as they are.

    The last and quantized ones become what they stand for only when they are used.
    """
    if not tensor.is_floating_point():
        return tensor.to(device)
    if tensor.dtype.itemsize == 1:
        tensor = Quantized(Plain(tensor), dtype)
    return tensor.to(device, dtype)


def exact(stored: Tensor, active: Tensor) -> Tensor:
    """The weight in float32 on the device, from the copy there unless casting has rounded that one."""
    rounded = active.dtype not in (stored.dtype, torch.float32)
    return (stored if rounded else active).detach().to(active.device, torch.float32)
