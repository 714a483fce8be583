"""Latent formats: how a VAE's latents are scaled for the denoiser, and how they look as a rough picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class LatentFormat:
    """The latent space of a family.

    The denoiser works on ``latent * scale``, or ``(latent - means) / deviations * scale`` where the channels have
    statistics of their own; a LATENT that travels along an edge is always without that scale.
    ``rgb_factors``: a least-squares linear map from one latent pixel to red, green and blue in -1..1, for previews.
    ``approx_decoder``: the file stem of the tiny decoder that people keep in ``vae_approx``.
    """

    channels: int
    scale: float
    rgb_factors: tuple[Rgb, ...]
    rgb_bias: Rgb = (0.0, 0.0, 0.0)
    approx_decoder: str = ""
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()

    def to_model(self, latent: Tensor) -> Tensor:
        """A VAE's latent, float[batch, channels, height, width], in the denoiser's scale."""
        if not self.means:
            return latent * self.scale
        means, deviations = (latent.new_tensor(each).view(-1, 1, 1) for each in (self.means, self.deviations))
        return (latent - means) * self.scale / deviations

    def from_model(self, latent: Tensor) -> Tensor:
        """The inverse of :meth:`to_model`."""
        if not self.means:
            return latent / self.scale
        means, deviations = (latent.new_tensor(each).view(-1, 1, 1) for each in (self.means, self.deviations))
        return latent * deviations / self.scale + means

    def preview(self, latent: Tensor) -> Tensor:
        """A rough picture of one latent in the denoiser's scale: float[channels, h, w] -> uint8[h, w, 3]."""
        latent = latent.float().movedim(0, -1)
        factors = torch.tensor(self.rgb_factors, device=latent.device)
        rgb = latent @ factors + torch.tensor(self.rgb_bias, device=latent.device)
        return ((rgb + 1) / 2 * 255).nan_to_num(0).clamp(0, 255).to(torch.uint8).cpu()


SD15 = LatentFormat(
    channels=4,
    scale=0.18215,
    rgb_factors=(
        (0.3512, 0.2297, 0.3227),
        (0.3250, 0.4974, 0.2350),
        (-0.2829, 0.1762, 0.2721),
        (-0.2120, -0.2616, -0.7177),
    ),
    approx_decoder="taesd_decoder",
)

SDXL = LatentFormat(
    channels=4,
    scale=0.13025,
    rgb_factors=(
        (0.3651, 0.4232, 0.4341),
        (-0.2533, -0.0042, 0.1068),
        (0.1076, 0.1111, -0.0362),
        (-0.3165, -0.2492, -0.2188),
    ),
    rgb_bias=(0.1084, -0.0175, -0.0011),
    approx_decoder="taesdxl_decoder",
)

PLAYGROUND_25 = replace(
    SDXL,
    scale=0.5,
    means=(-1.6574, 1.886, -1.383, 2.5155),
    deviations=(8.4927, 5.9022, 6.5498, 5.2299),
)
