"""Turns weights as a file stores them into the numbers they stand for, in a given format and on a given device."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.quantized import Plain, Quantized

LEAST_KERNELS = 2**20
"""Of how many numbers a convolution's weight is that a CPU lays out anew: that copy is the only one in memory."""


def cast_when_used(tensor: Tensor) -> bool:
    """Whether ``tensor`` is a weight of ordinary floating-point numbers that stays in the file's format."""
    return (
        isinstance(tensor, Quantized) and isinstance(tensor.source, Plain) and tensor.source.stored.dtype.itemsize > 1
    )


def to_be_laid_out(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether ``tensor`` is a convolution's weight that would only be cast to be laid out after."""
    return (
        device.type == "cpu"
        and tensor.dim() == 4
        and tensor.numel() >= LEAST_KERNELS
        and tensor.is_floating_point()
        and tensor.dtype != dtype
    )


def bytes_as(tensor: Tensor, device: torch.device, dtype: torch.dtype, *, lays_out: bool = False) -> int:
    """What ``tensor`` takes once it is where it is computed: :func:`brought` there."""
    if lays_out and to_be_laid_out(tensor, device, dtype):
        return tensor.nbytes
    if isinstance(tensor, Quantized):
        return tensor.stored_bytes
    is_cast = tensor.is_floating_point() and tensor.dtype.itemsize > 1
    return tensor.numel() * (dtype.itemsize if is_cast else tensor.element_size())


def bytes_of(tensor: Tensor) -> int:
    """What ``tensor`` takes now."""
    return tensor.stored_bytes if isinstance(tensor, Quantized) else tensor.nbytes


def brought(tensor: Tensor, device: torch.device, dtype: torch.dtype, *, lays_out: bool = False) -> Tensor:
    """``tensor`` on ``device``, its floating-point numbers in the format ``dtype``; those of 8 bits stay as they are.

    The last and quantized ones become what they stand for only when they are used; so do, with ``lays_out``, the
    weights :func:`to_be_laid_out`.
    """
    if isinstance(tensor, Quantized) and isinstance(tensor.source, Plain):
        tensor = tensor.source.stored
    if lays_out and to_be_laid_out(tensor, device, dtype):
        return Quantized(Plain(tensor), dtype)
    if not tensor.is_floating_point():
        return tensor.to(device)
    if tensor.dtype.itemsize == 1:
        tensor = Quantized(Plain(tensor), dtype)
    return tensor.to(device, dtype)


def exact(stored: Tensor, active: Tensor) -> Tensor:
    """The weight in float32 on the device, from the copy there unless casting has rounded that one."""
    if cast_when_used(active):
        return stored.detach().to(active.device, torch.float32)
    rounded = active.dtype not in (stored.dtype, torch.float32)
    return (stored if rounded else active).detach().to(active.device, torch.float32)
