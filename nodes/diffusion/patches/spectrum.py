"""Scales low and high frequencies of feature maps apart."""

from __future__ import annotations

import torch
from torch import Tensor


def scale_frequencies(x: Tensor, band: int, *, low: float, high: float) -> Tensor:
    """``x`` ([..., height, width]) with frequencies inside the central square (``band`` each way) times ``low``.

    All others are multiplied by ``high``; a single row or column is all low. Computed in float32, returned in the
    dtype of ``x``.
    """
    spectrum = torch.fft.fftshift(torch.fft.fft2(x.float()), dim=(-2, -1))
    scale = torch.full(x.shape[-2:], high, device=x.device)
    rows, columns = (_central(size, band) for size in x.shape[-2:])
    scale[rows, columns] = low
    filtered: Tensor = torch.fft.ifft2(torch.fft.ifftshift(spectrum * scale, dim=(-2, -1))).real
    return filtered.to(x.dtype)


def _central(size: int, band: int) -> slice:
    centre = size // 2
    band = min(band, centre)
    return slice(centre - band, max(centre + band, 1))
