"""Other ways than plain classifier-free guidance to combine a positive and a negative prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion import nested
from nodes.diffusion.guidance import perp_neg
from nodes.diffusion.nested import Shapes
from nodes.diffusion.patches.spectrum import scale_frequencies
from nodes.diffusion.samplers.steps import half_log_snr, signal
from nodes.hooks import GuidancePatches, Guided, Hooks, NetworkPatches
from nodes.values import Conditioning

_PICTURE = (-3, -2, -1)


def rescale_cfg(multiplier: float, *, is_flow: bool = False) -> GuidancePatches:
    """The guided velocity brought to the positive one's spread (Lin et al. 2023, arXiv 2305.08891, section 3.4).

    ``multiplier``: 0 is plain guidance, 1 the fully rescaled one. For a flow it is the clean latent that is rescaled.
    """

    def rescaled(cond: Tensor, uncond: Tensor, cfg: float) -> Tensor:
        plain = uncond + cfg * (cond - uncond)
        dims = tuple(range(1, plain.ndim))
        spread = cond.std(dims, keepdim=True) / plain.std(dims, keepdim=True).clamp(min=1e-8)
        return multiplier * (plain * spread) + (1 - multiplier) * plain

    def combine_clean(guided: Guided) -> Tensor:
        assert guided.uncond is not None
        return rescaled(guided.cond, guided.uncond, guided.cfg)

    def combine(guided: Guided) -> Tensor:
        assert guided.uncond is not None
        sigma = guided.sigma.reshape(-1, *[1] * (guided.x.ndim - 1))
        total = (sigma**2 + 1) ** 0.5
        x = guided.x / total**2
        cond, uncond = ((x - clean) * total / sigma for clean in (guided.cond, guided.uncond))
        return x - rescaled(cond, uncond, guided.cfg) * sigma / total

    return GuidancePatches(combine=combine_clean if is_flow else combine, keep_uncond=True)


def over_frames(least: float, form: Literal["line", "triangle"]) -> GuidancePatches:
    """A scale for each item of a batch, which are a film's frames: from ``least`` to the guider's own scale, along a
    line, or up to the middle and down again.
    """

    def combine(guided: Guided) -> Tensor:
        assert guided.uncond is not None
        places = torch.linspace(0, 1, len(guided.cond), device=guided.cond.device)
        if form == "triangle":
            scale = 2 * (places - torch.floor(places + 0.5)).abs() * (guided.cfg - least) + least
        else:
            scale = torch.linspace(least, guided.cfg, len(guided.cond), device=guided.cond.device)
        scale = scale.reshape(-1, *[1] * (guided.cond.ndim - 1))
        return guided.uncond + scale * (guided.cond - guided.uncond)

    return GuidancePatches(combine=combine)


def by_parts(scales: Sequence[float], shapes: Shapes) -> GuidancePatches:
    """A scale for each part of a latent of ``shapes``, packed, such as a film's and its sound's."""

    def combine(guided: Guided) -> Tensor:
        assert guided.uncond is not None
        difference = nested.unpack(guided.cond - guided.uncond, shapes)
        return guided.uncond + nested.pack([part * scale for part, scale in zip(difference, scales, strict=True)])

    return GuidancePatches(combine=combine, keep_uncond=True)


def cfg_zero_star(guided: Guided) -> Tensor:
    """CFG-Zero* (Fan et al. 2025, arXiv 2503.18886): the negative noise scaled to fit the positive one best."""
    if guided.uncond is None:
        return guided.denoised
    positive, negative = ((guided.x - clean).flatten(1) for clean in (guided.cond, guided.uncond))
    fit = (positive * negative).sum(1) / ((negative**2).sum(1) + 1e-8)
    fit = fit.reshape(-1, *[1] * (guided.x.ndim - 1))
    return guided.denoised + guided.uncond * (fit - 1) * (1 - guided.cfg)


def cfg_norm(strength: float) -> GuidancePatches:
    """Each latent pixel no longer than in the positive prediction, then times ``strength``."""

    def limit(guided: Guided) -> Tensor:
        longest: Tensor = guided.cond.norm(dim=1, keepdim=True)
        scale: Tensor = (longest / (guided.denoised.norm(dim=1, keepdim=True) + 1e-8)).clamp(0, 1)
        return guided.denoised * scale * strength

    return GuidancePatches(after=(limit,))


def norm_matched(strength: float) -> GuidancePatches:
    """Each latent pixel of the guided velocity as long as the positive one's, as far as ``strength`` says."""

    def combine(guided: Guided) -> Tensor:
        positive, negative = guided.x - guided.cond, guided.x - _uncond_or_zeros(guided)
        plain = negative + guided.cfg * (positive - negative)
        lengths: Tensor = plain.norm(dim=1, keepdim=True)
        scale = torch.where(lengths > 0, positive.norm(dim=1, keepdim=True) / lengths.clamp(min=1e-12), 1.0)
        return guided.x - torch.lerp(plain, plain * scale, strength)

    return GuidancePatches(combine=combine)


def renorm_cfg(from_sigma: float, longest: float) -> GuidancePatches:
    """The whole guided prediction at most ``longest`` times as long as the positive one (0: of any length).

    No guidance at all at noise levels from ``from_sigma`` on: Lumina 2 (arXiv 2503.21758, section 4).
    """

    def combine(guided: Guided) -> Tensor:
        if float(guided.sigma[0]) >= from_sigma:
            return guided.cond
        uncond = _uncond_or_zeros(guided)
        plain = uncond + guided.cfg * (guided.cond - uncond)
        if longest <= 0:
            return plain
        own, limit = _length(plain), _length(guided.cond) * longest
        return torch.where(own >= limit, plain * (limit / own), plain)

    return GuidancePatches(combine=combine)


def _length(x: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(x, dim=tuple(range(1, x.ndim)), keepdim=True)
    return length


def mahiro(guided: Guided) -> Tensor:
    """Guidance that leans on the positive prediction as far as the two agree in direction."""
    leap = guided.cond * guided.cfg
    away = _uncond_or_zeros(guided) * guided.cfg
    share = (F.cosine_similarity(_root(away), _root((leap + guided.denoised) / 2)).mean() + 1) / 2
    return share * guided.denoised + (1 - share) * leap


def _root(x: Tensor) -> Tensor:
    return x.abs().sqrt() * x.sign()


def tangential_damping(guided: Guided) -> Guided:
    """TCFG (Kwon et al. 2025, arXiv 2503.18137): the negative noise along the two noises' main direction only."""
    if guided.uncond is None:
        return guided
    negative, positive = ((guided.x - clean).flatten(1).float() for clean in (guided.uncond, guided.cond))
    _, _, directions = torch.linalg.svd(torch.stack([negative, positive], dim=1), full_matrices=False)
    main = directions[:, 0]
    along = (negative * main).sum(1, keepdim=True) * main
    return replace(guided, uncond=guided.x - along.reshape(guided.x.shape).to(guided.x.dtype))


def epsilon_scaling(factor: float) -> GuidancePatches:
    """Predicted noise divided by ``factor``, against exposure bias (Ning et al. 2023, arXiv 2308.15321)."""

    def scale(guided: Guided) -> Tensor:
        return guided.x - (guided.x - guided.denoised) / (factor or 1e-9)

    return GuidancePatches(after=(scale,))


def temporal_score_rescaling(k: float, sigma: float) -> GuidancePatches:
    """Temporal Score Rescaling (arXiv:2510.01184, equation 6), for data of standard deviation ``sigma``."""

    def rescale(guided: Guided) -> Tensor:
        level = guided.sigma[0]
        half = half_log_snr(guided.parameterization, level)
        snr = (2 * half).exp()
        if k == 1 or level == 0 or snr == 0:
            return guided.denoised
        ratio = (snr * sigma**2 + 1) / (snr * sigma**2 / k + 1)
        noisy = guided.x / signal(level, half)
        return torch.lerp(noisy, guided.denoised, torch.where(torch.isposinf(snr), k, ratio))

    return GuidancePatches(after=(rescale,))


def frequency_scaling(low: float, high: float, cutoff: int) -> GuidancePatches:
    """FreSca (Huang et al. 2025, arXiv 2504.02154): low and high frequencies of the guidance scaled apart."""

    def scale(guided: Guided) -> Guided:
        if guided.uncond is None:
            return guided
        guidance = scale_frequencies(guided.cond - guided.uncond, cutoff, low=low, high=high)
        return replace(guided, cond=guidance + guided.uncond)

    return GuidancePatches(before=(scale,))


def _uncond_or_zeros(guided: Guided) -> Tensor:
    """At cfg 1, where no negative prediction is made, recorded pictures have these methods compare with zeros."""
    return torch.zeros_like(guided.cond) if guided.uncond is None else guided.uncond


def perpendicular_negative(empty: Conditioning, neg_scale: float) -> GuidancePatches:
    """Perp-Neg (Armandpour et al. 2023, arXiv 2304.04968): of the negative prompt only what the positive lacks."""

    def combine(guided: Guided) -> Tensor:
        at_empty = guided.predict(empty, NetworkPatches())
        return perp_neg(guided.cond, _uncond_or_zeros(guided), at_empty, neg_scale, guided.cfg)

    return GuidancePatches(combine=combine)


class AdaptiveProjection:
    """APG (Sadat et al. 2024, arXiv 2410.02416): guidance split along and across the positive prediction.

    ``eta`` scales the part along it; ``norm_threshold`` bounds the guidance's length (0: unbounded); ``momentum``
    mixes in earlier steps' guidance.
    """

    def __init__(self, eta: float, norm_threshold: float, momentum: float) -> None:
        self._eta = eta
        self._norm_threshold = norm_threshold
        self._momentum = momentum
        self._average: Tensor | None = None
        self._last_sigma = float("inf")

    def hooks(self) -> Hooks:
        """Fresh hooks for one sampling call."""
        return Hooks(guidance=GuidancePatches(before=(self.project,)))

    def project(self, guided: Guided) -> Guided:
        """The positive prediction changed so that plain guidance gives the projected one."""
        uncond = _uncond_or_zeros(guided)
        sigma = float(guided.sigma[0])
        if sigma > self._last_sigma:
            self._average = None
        self._last_sigma = sigma
        guidance = self._averaged(guided.cond - uncond)
        if self._norm_threshold > 0:
            length = torch.linalg.vector_norm(guidance, dim=_PICTURE, keepdim=True)
            guidance = guidance * (self._norm_threshold / length).clamp(max=1)
        direction = F.normalize(guided.cond, dim=_PICTURE)  # type: ignore[arg-type]
        along = (guidance * direction).sum(_PICTURE, keepdim=True) * direction
        changed = guidance - along + self._eta * along
        return replace(guided, cond=uncond + changed + (guided.cond - uncond) / guided.cfg)

    def _averaged(self, guidance: Tensor) -> Tensor:
        # A negative momentum is the paper's own recommendation; 0 switches the average off.
        if self._momentum == 0:
            return guidance
        self._average = guidance if self._average is None else self._momentum * self._average + guidance
        return self._average
