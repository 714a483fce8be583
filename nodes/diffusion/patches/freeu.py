"""FreeU (Si et al. 2023, arXiv 2309.11497): stronger backbone features, weaker low frequencies in the skips."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from nodes.diffusion.patches.spectrum import scale_frequencies
from nodes.hooks import HookSite, NetworkPatches, SkipPatch

# Low frequencies are one index to each side of the centre, as the paper's code has them.
_LOW_BAND = 1


def freeu(width: int, b1: float, b2: float, s1: float, s2: float, *, structured: bool) -> NetworkPatches:
    """Hooks for a UNet of ``width`` base channels: b1, s1 at 4 times that width, b2, s2 at twice.

    ``structured``: version 2, where the backbone's factor follows the feature map's own mean.
    """
    factors: Mapping[int, tuple[float, float]] = {4 * width: (b1, s1), 2 * width: (b2, s2)}

    def change(hidden: Tensor, skip: Tensor, site: HookSite) -> tuple[Tensor, Tensor]:
        if hidden.shape[1] not in factors:
            return hidden, skip
        backbone, low = factors[hidden.shape[1]]
        half = hidden.shape[1] // 2
        factor = 1 + (backbone - 1) * _normalised_mean(hidden) if structured else backbone
        hidden = torch.cat([hidden[:, :half] * factor, hidden[:, half:]], dim=1)
        return hidden, scale_frequencies(skip, _LOW_BAND, low=low, high=1.0)

    patch: SkipPatch = change
    return NetworkPatches(before_output=(patch,))


def _normalised_mean(hidden: Tensor) -> Tensor:
    """Mean over channels, stretched to 0..1 in each item: [batch, 1, height, width]."""
    mean = hidden.mean(1, keepdim=True)
    low, high = mean.amin((2, 3), keepdim=True), mean.amax((2, 3), keepdim=True)
    return (mean - low) / (high - low)
