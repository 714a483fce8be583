"""Guidance away from what a transformer predicts without some of its blocks.

As perturbed attention guidance does it with attention (Ahn et al. 2024, arXiv:2403.17377), by Stability AI for SD3.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from nodes.diffusion.parameterization import Parameterization
from nodes.hooks import GuidancePatches, Guided, HookSite, NetworkPatches


@dataclass(frozen=True, slots=True)
class WithoutBlocks:
    """Leaves out double and single blocks of these numbers; see :class:`nodes.hooks.BlockWrapper`."""

    doubles: frozenset[int]
    singles: frozenset[int]

    def __call__(
        self,
        run: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]],
        state: Mapping[str, Tensor],
        site: HookSite,
        /,
    ) -> Mapping[str, Tensor]:
        left_out = {"double": self.doubles, "single": self.singles}.get(site.stage, frozenset())
        return state if site.block in left_out else run(state)


def without_blocks(doubles: Iterable[int], singles: Iterable[int]) -> NetworkPatches:
    """The hooks that leave them out."""
    return NetworkPatches(around_block=(WithoutBlocks(frozenset(doubles), frozenset(singles)),))


def skip_layer_guidance(
    skipped: NetworkPatches, scale: float, start: float, end: float, rescale: float, parameterization: Parameterization
) -> GuidancePatches:
    """``scale`` times the way from the positive prediction without blocks to the one with all, after cfg.

    Between ``start`` and ``end`` (0..1) of the sampling. ``rescale``: how much of the result's spread is brought back
    to the positive prediction's.
    """
    first, last = (parameterization.percent_to_sigma(percent) for percent in (start, end))

    def guide(guided: Guided) -> Tensor:
        if scale <= 0 or not last <= float(guided.sigma[0]) <= first:
            return guided.denoised
        without = guided.predict(guided.positive, skipped)
        denoised = guided.denoised + (guided.cond - without) * scale
        if rescale == 0:
            return denoised
        factor = guided.cond.std() / denoised.std()
        return denoised * (rescale * factor + (1 - rescale))

    return GuidancePatches(after=(guide,))


def weaker_negative(
    skipped: NetworkPatches, start: float, end: float, parameterization: Parameterization
) -> GuidancePatches:
    """The negative prediction without blocks, between ``start`` and ``end`` (0..1) of the sampling."""
    first, last = (parameterization.percent_to_sigma(percent) for percent in (start, end))

    def weaken(guided: Guided) -> Guided:
        if guided.uncond is None or not last <= float(guided.sigma[0]) <= first:
            return guided
        return replace(guided, uncond=guided.predict(guided.negative, skipped))

    return GuidancePatches(before=(weaken,))
