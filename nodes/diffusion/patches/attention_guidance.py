"""Guidance by comparing with a pass whose attention was disturbed: PAG and SAG."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.attention import attend as attend_plainly
from nodes.hooks import Attend, GuidancePatches, Guided, Hooks, HookSite, NetworkPatches

_SAG_THRESHOLD = 1.0
_SAG_KERNEL_PX = 9
_SMALLEST_PX = 4  # the blur's padding does not fit into less


def perturbed_attention(scale: float) -> GuidancePatches:
    """PAG (Ahn et al. 2024, arXiv 2403.17377): away from a pass whose middle block attends to nothing but itself."""

    def guide(guided: Guided) -> Tensor:
        if scale == 0:
            return guided.denoised
        perturbed = guided.predict(guided.positive, NetworkPatches(inner_self_attention=(_identity_in_middle,)))
        return guided.denoised + (guided.cond - perturbed) * scale

    return GuidancePatches(after=(guide,))


def _identity_in_middle(attend: Attend, q: Tensor, k: Tensor, v: Tensor, site: HookSite, attention: Any) -> Tensor:
    if site.stage != "middle":
        return attend(q, k, v)
    passed: Tensor = attention.to_out[0](attention.to_v(v))
    return passed


class SelfAttentionGuidance:
    """SAG (Hong et al. 2023, arXiv 2210.00939): away from a prediction blurred where the network looks most.

    Remembers the middle block's attention of the negative prompt's pass within one step. ``scale``: how far;
    ``blur_sigma_px``: of the Gaussian, in latent pixels.
    """

    def __init__(self, scale: float, blur_sigma_px: float) -> None:
        self._scale = scale
        self._blur_sigma_px = blur_sigma_px
        self._looked_at: Tensor | None = None

    def hooks(self) -> Hooks:
        """Fresh hooks for one sampling call."""
        guidance = GuidancePatches(after=(self.guide,), keep_uncond=True)
        return Hooks(NetworkPatches(inner_self_attention=(self.record,)), guidance)

    def record(self, attend: Attend, q: Tensor, k: Tensor, v: Tensor, site: HookSite, attention: Any) -> Tensor:
        """Keep how much each token of the middle block is looked at: [batch, tokens].

        Where it looks, the attention stays as it is: in a perturbed pass of PAG's too.
        """
        if site.stage != "middle" or site.depth != 0:
            return attend(q, k, v)
        if 1 in site.rows:
            size = q.shape[0] // len(site.rows)
            first = site.rows.index(1) * size
            rows = slice(first, first + size)
            heads = attention.heads
            queries, keys = (
                project(x[rows]).unflatten(-1, (heads, -1)).transpose(1, 2).float()
                for project, x in ((attention.to_q, q), (attention.to_k, k))
            )
            weights = (queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5).softmax(-1)
            self._looked_at = weights.mean(1).sum(1)
        return attend_plainly(attention, q, k, v)

    def guide(self, guided: Guided) -> Tensor:
        """The combined prediction, moved away from the one for a selectively blurred latent."""
        uncond = guided.uncond
        if uncond is None or self._looked_at is None or min(guided.x.shape[-2:]) <= _SMALLEST_PX:
            return guided.denoised
        degraded = self._blurred_where_looked_at(uncond, self._looked_at)
        predicted = guided.predict(guided.negative, NetworkPatches(), x=degraded + guided.x - uncond)
        return guided.denoised + (degraded - predicted) * self._scale

    def _blurred_where_looked_at(self, x: Tensor, looked_at: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        # The middle block's picture is the latent halved some times: the least power of two that its tokens allow.
        ratio = 2 ** (math.ceil(math.sqrt(height * width / looked_at.shape[1])) - 1).bit_length()
        grid = (math.ceil(height / ratio), math.ceil(width / ratio))
        mask = (looked_at > _SAG_THRESHOLD).to(x.dtype).reshape(batch, 1, *grid)
        mask = F.interpolate(mask, (height, width))
        return gaussian_blur(x, _SAG_KERNEL_PX, self._blur_sigma_px) * mask + x * (1 - mask)


def gaussian_blur(x: Tensor, kernel_px: int, sigma_px: float) -> Tensor:
    """``x`` ([batch, channels, height, width]) blurred, mirrored at its edges. A sigma of 0 leaves it as it is."""
    if sigma_px == 0:
        return x
    offsets = torch.linspace(-(kernel_px - 1) / 2, (kernel_px - 1) / 2, kernel_px, device=x.device)
    line = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    line = (line / line.sum()).to(x.dtype)
    kernel = (line[:, None] * line[None, :]).expand(x.shape[1], 1, -1, -1)
    padded = F.pad(x, [kernel_px // 2] * 4, mode="reflect")
    return F.conv2d(padded, kernel, groups=x.shape[1])
