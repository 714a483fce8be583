"""Light of encoded levels: the inverse of the transfer functions of sRGB and HLG. Alpha is passed on."""

from __future__ import annotations

import torch
from torch import Tensor

# ITU-R BT.2100, table 5.
_A, _B, _C = 0.17883277, 0.28466892, 0.55991072928


def of_srgb(pixels: Tensor) -> Tensor:
    """Light of float[..., 1, 3 or 4] in sRGB (IEC 61966-2-1)."""
    levels = pixels[..., :3]
    curved = ((levels.clamp(min=0.0) + 0.055) / 1.055) ** 2.4
    return _with_alpha(torch.where(levels <= 0.04045, levels / 12.92, curved), pixels)


def of_hlg(pixels: Tensor) -> Tensor:
    """Scene light, 0..1, of float[..., 1, 3 or 4] in HLG (ITU-R BT.2100, note 5a)."""
    levels = pixels[..., :3]
    bright = (torch.exp((levels.clamp(min=0.5) - _C) / _A) + _B) / 12.0
    return _with_alpha(torch.where(levels <= 0.5, levels**2 / 3.0, bright), pixels)


def _with_alpha(light: Tensor, pixels: Tensor) -> Tensor:
    return torch.cat([light, pixels[..., 3:]], dim=-1) if pixels.shape[-1] == 4 else light
