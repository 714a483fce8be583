"""The denoiser that samplers step with: guidance, and what inpainting keeps outside its mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.computing import StepNoise
from nodes.diffusion.guidance import Guidance
from nodes.diffusion.parameterization import Parameterization
from nodes.hooks import MaskFunction


@dataclass(frozen=True, slots=True, eq=False)
class Inpainting:
    """What stays of a picture while the rest is denoised.

    ``mask``: float32[batch, channels, height, width], 1 where the sampler works; ``latent``: the picture in the
    denoiser's scale; ``noise``: what is added to it outside the mask, or None for models that are shown it without.
    ``adjust`` replaces the mask at every step.
    """

    mask: Tensor
    latent: Tensor
    noise: Tensor | None
    sigmas: Tensor
    adjust: MaskFunction | None = None

    def mask_at(self, sigma: Tensor, parameterization: Parameterization) -> Tensor:
        """The mask at this noise level."""
        return self.mask if self.adjust is None else self.adjust(sigma, self.mask, self.sigmas, parameterization)


def differential_mask(strength: float) -> MaskFunction:
    """A mask whose grey values say how late each pixel is let go: Levin and Fried 2023, arXiv:2306.00950.

    A pixel is denoised from the moment on when the remaining share of the timesteps is at most its value.
    ``strength`` strictly between 0 and 1 mixes that with the mask as it is.
    """

    def mask_at(sigma: Tensor, mask: Tensor, sigmas: Tensor, parameterization: Parameterization) -> Tensor:
        ends = torch.stack([sigmas[0], sigmas[-1].clamp(min=parameterization.sigma_min)])
        first, last = parameterization.timestep(ends).float()
        now = parameterization.timestep(sigma[:1].to(sigmas.device)).float()
        released = (mask >= ((now - last) / (first - last)).to(mask.device)).to(mask.dtype)
        return torch.lerp(mask, released, strength) if 0 < strength < 1 else released

    return mask_at


class GuidedDenoiser:
    """Predicts the clean latent from a noisy one; see :class:`nodes.sampling_values.Denoiser`."""

    def __init__(
        self,
        guidance: Guidance,
        parameterization: Parameterization,
        seed: int,
        inpainting: Inpainting | None = None,
        step_noise: StepNoise = "device",
    ) -> None:
        self.parameterization = parameterization
        self.seed = seed
        self.step_noise = step_noise
        self._guidance = guidance
        self._inpainting = inpainting

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The guided prediction for ``x``, float32[batch, channels, height, width], at ``sigma``."""
        return self._predict(x, sigma, keep_uncond=False)[0]

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Also the negative prediction, computed even at cfg 1, without what inpainting keeps."""
        return self._predict(x, sigma, keep_uncond=True)

    def _predict(self, x: Tensor, sigma: Tensor, keep_uncond: bool) -> tuple[Tensor, Tensor]:
        # Samplers keep sigmas on the CPU: reading one there does not wait for the device.
        sigma = sigma.float().expand(x.shape[0])
        if self._inpainting is None:
            return self._guidance(x, sigma, keep_uncond)
        kept = self._inpainting
        mask = kept.mask_at(sigma, self.parameterization)
        around = kept.latent
        if kept.noise is not None:
            around = self.parameterization.add_noise(sigma.to(x.device), kept.noise, kept.latent)
        denoised, uncond = self._guidance(x * mask + around * (1 - mask), sigma, keep_uncond)
        return denoised * mask + kept.latent * (1 - mask), uncond
