"""Deep shrink: a block's feature map made smaller during the first steps, so that large pictures stay coherent."""

from __future__ import annotations

from torch import Tensor

from nodes.diffusion.latents import resize
from nodes.diffusion.parameterization import Parameterization
from nodes.hooks import HookSite, NetworkPatches


def deep_shrink(
    parameterization: Parameterization,
    block: int,
    factor: float,
    start_percent: float,
    end_percent: float,
    *,
    after_skip: bool,
    down_method: str,
    up_method: str,
) -> NetworkPatches:
    """Hooks that divide the side lengths at input block ``block`` by ``factor`` while start <= progress <= end.

    Output blocks get the size of their skip back. ``after_skip``: the skip itself keeps its size.
    """
    first, last = parameterization.percent_to_sigma(start_percent), parameterization.percent_to_sigma(end_percent)

    def shrink(hidden: Tensor, site: HookSite) -> Tensor:
        if site.block != block or not last <= site.sigma <= first:
            return hidden
        height, width = (round(side / factor) for side in hidden.shape[-2:])
        return resize(hidden, width, height, down_method)

    def restore(hidden: Tensor, skip: Tensor, site: HookSite) -> tuple[Tensor, Tensor]:
        if hidden.shape[-2:] != skip.shape[-2:]:
            hidden = resize(hidden, skip.shape[-1], skip.shape[-2], up_method)
        return hidden, skip

    if after_skip:
        return NetworkPatches(after_input_skip=(shrink,), before_output=(restore,))
    return NetworkPatches(after_input=(shrink,), before_output=(restore,))
