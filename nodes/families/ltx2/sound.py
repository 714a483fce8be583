"""Where rows of a sound's latent are in time."""

from __future__ import annotations

import torch
from torch import Tensor

RATE_HZ, HOP, FRAMES = 16_000, 160, 4
"""Samples a second, samples of a spectrogram's frame, frames of a latent's row."""
ROWS_PER_S = RATE_HZ / HOP / FRAMES


def places_of_sound(rows: int, device: torch.device) -> Tensor:
    """When each row begins and ends, float32[1, 1, rows, 2], in seconds; the first one is a single frame."""
    starts = torch.arange(rows + 1, dtype=torch.float32, device=device) * FRAMES
    seconds = (starts + 1 - FRAMES).clamp(min=0) * HOP / RATE_HZ
    return torch.stack([seconds[:-1], seconds[1:]], dim=-1)[None, None]
