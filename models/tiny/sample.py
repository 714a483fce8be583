"""Plain sampling with diffusers modules: DPM-Solver++(2M) or Euler, classifier-free guidance, masks and control."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.tiny.train_unet import alphas

Denoiser = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Family:
    """The trained modules. `encode_text` turns captions into context float[B, 77, width]; latents are normalised."""

    unet: nn.Module
    encode_text: Callable[[list[str]], Tensor]
    decode: Callable[[Tensor], NDArray[np.uint8]]
    encode: Callable[[NDArray[np.uint8]], Tensor]


def sigmas(number: int) -> list[float]:
    """Equal steps of time (the `normal` schedule) over SD1.5's table: number + 1 noise levels, the last one 0."""
    table = alphas()
    levels = ((1 - table) / table).sqrt()
    places = torch.linspace(len(levels) - 1, 0, number)
    low = places.floor().long()
    high = places.ceil().long()
    return [*torch.lerp(levels[low].log(), levels[high].log(), places - low).exp().tolist(), 0.0]


def denoiser(
    family: Family,
    captions: list[str],
    guidance: float,
    control: nn.Module | None = None,
    hints: Tensor | None = None,
) -> Denoiser:
    """The guided estimate of the clean latents, by v-prediction, as a function of x = clean + sigma * noise."""
    levels = ((1 - alphas()) / alphas()).sqrt().log()
    context = torch.cat([family.encode_text(captions), family.encode_text([""] * len(captions))])

    def clean(x: Tensor, sigma: float) -> Tensor:
        place = float(np.interp(np.log(sigma), levels.numpy(), np.arange(len(levels))))
        shown = torch.cat([x, x]) / (1 + sigma**2) ** 0.5
        steps = torch.full((len(shown),), place)
        extra = {}
        if control is not None and hints is not None:
            down, mid = control(shown, steps, context, torch.cat([hints, hints]), return_dict=False)
            extra = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        v = family.unet(shown, steps, context, **extra).sample
        told, untold = (torch.cat([x, x]) / (1 + sigma**2) - v * sigma / (1 + sigma**2) ** 0.5).chunk(2)
        return untold + guidance * (told - untold)

    return clean


@torch.no_grad()
def sample(clean: Denoiser, noise: Tensor, number: int = 20, kept: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095) from noise float[B, 4, h, w] of spread 1 to clean latents.

    `kept` = (latents, mask): where the mask is 0 the latents are kept, by noising them to each step's level.
    """
    levels = sigmas(number)
    x = noise * (1 + levels[0] ** 2) ** 0.5
    before: Tensor | None = None
    for i, (sigma, below) in enumerate(pairwise(levels)):
        if kept is not None:
            x = torch.where(kept[1] > 0.5, x, kept[0] + sigma * noise)
        estimate = clean(x, sigma)
        if kept is not None:
            estimate = torch.where(kept[1] > 0.5, estimate, kept[0])
        blend = estimate
        if before is not None and below > 0:
            h, h_last = np.log(sigma / below), np.log(levels[i - 1] / sigma)
            blend = estimate + (estimate - before) * (h / (2 * h_last))
        x = below / sigma * x + (1 - below / sigma) * blend
        before = estimate
    return x


def noise_of(seeds: list[int], side: int = 16) -> Tensor:
    """One noise picture per seed: float[B, 4, side, side]."""
    return torch.stack([torch.randn(4, side, side, generator=torch.Generator().manual_seed(s)) for s in seeds])
