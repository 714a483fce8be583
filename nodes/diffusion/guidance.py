"""Combines a network's predictions for several prompts into one: classifier-free guidance and its relatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from nodes.diffusion.parameterization import Parameterization
from nodes.diffusion.passes import Network
from nodes.diffusion.regions import Placed
from nodes.hooks import GuidanceWrapper, Guided, NetworkPatches
from nodes.sampling_values import Guider
from nodes.values import Conditioning

POSITIVE, NEGATIVE, THIRD = 0, 1, 2
PlaceMore = Callable[[Conditioning], list[Placed]]


class Guidance:
    """A guider at work on one latent. Calling it predicts the clean latent.

    ``conditionings`` are the guider's, placed on the latent; ``place_more`` places another one that a guidance patch
    brings along.
    """

    def __init__(
        self,
        guider: Guider,
        network: Network,
        conditionings: Mapping[str, Sequence[Placed]],
        place_more: PlaceMore,
        parameterization: Parameterization,
    ) -> None:
        self._guider = guider
        self._patches = guider.model.guidance
        self._network = network
        self._conditionings = conditionings
        self._place_more = place_more
        self._parameterization = parameterization
        self._combine = {"basic": self._cfg, "cfg": self._cfg, "dual_cfg": self._dual, "perp_neg": self._perp_neg}[
            guider.kind
        ]

    def __call__(self, x: Tensor, sigma: Tensor, keep_uncond: bool = False) -> tuple[Tensor, Tensor]:
        """The guided prediction and the negative one (zeros where none was computed), each shaped as ``x``.

        ``x``: float32[batch, channels, height, width]; ``sigma``: float32[batch].
        """

        def evaluate(x: Tensor) -> tuple[Tensor, Tensor]:
            denoised, uncond = self._combine(x, sigma, keep_uncond or self._patches.keep_uncond)
            return denoised, torch.zeros_like(x) if uncond is None else uncond

        run: Callable[[Tensor], tuple[Tensor, Tensor]] = evaluate
        for wrapper in reversed(self._patches.around):
            run = partial(_within, wrapper, run, float(sigma[0]))
        return run(x)

    def _scale(self, sigma: float) -> float:
        """The guider's scale, or the one that a patch sets at this noise level."""
        spans = (span.cfg for span in reversed(self._patches.cfg_within) if span.low <= sigma <= span.high)
        return next(spans, self._guider.cfg)

    def _cfg(self, x: Tensor, sigma: Tensor, keep_uncond: bool) -> tuple[Tensor, Tensor | None]:
        """Classifier-free guidance, https://arxiv.org/abs/2207.12598, in terms of the clean latent."""
        cfg = self._scale(float(sigma[0]))
        positive, negative = self._conditionings.get("positive"), self._conditionings.get("negative")
        if math.isclose(cfg, 1.0) and not keep_uncond:
            negative = None
        predicted = self._network.predict({POSITIVE: positive, NEGATIVE: negative}, x, sigma)
        uncond = predicted.get(NEGATIVE, torch.zeros_like(x) if keep_uncond else None)
        guided = self._guided(x, sigma, cfg, predicted[POSITIVE], uncond, positive, negative)
        for change in self._patches.before:
            guided = change(guided)
        return self._finish(guided), guided.uncond

    def _dual(self, x: Tensor, sigma: Tensor, keep_uncond: bool) -> tuple[Tensor, Tensor | None]:
        """Two prompts, each with its own scale: towards the first from the second, and from the negative one.

        https://arxiv.org/abs/2211.09800, equation 3. ``nested`` guides the first two as one prompt.
        """
        outer, inner = float(self._guider.options["cfg_negative"]), self._guider.cfg
        first, second, negative = (self._conditionings.get(k) for k in ("positive", "middle", "negative"))
        nested = bool(self._guider.options.get("nested"))
        if not nested and not keep_uncond and math.isclose(outer, 1.0):
            negative = None
            second = None if math.isclose(inner, 1.0) else second
        predicted = self._network.predict({POSITIVE: first, THIRD: second, NEGATIVE: negative}, x, sigma)
        at_first, at_second = predicted[POSITIVE], predicted.get(THIRD, torch.zeros_like(x))
        at_negative = predicted.get(NEGATIVE)
        if nested:
            text = self._finish(self._guided(x, sigma, inner, at_first, at_second, first, second))
            base = predicted[NEGATIVE]
            return base + (text - base) * outer, at_second
        guided = self._guided(x, sigma, outer, at_second, at_negative, second, negative)
        return self._finish(guided) + (at_first - at_second) * inner, at_negative

    def _perp_neg(self, x: Tensor, sigma: Tensor, _keep_uncond: bool) -> tuple[Tensor, Tensor | None]:
        """Only the part of the negative prompt that is perpendicular to the positive one, arXiv:2304.04968."""
        positive, negative, empty = (self._conditionings[k] for k in ("positive", "negative", "empty"))
        predicted = self._network.predict({POSITIVE: positive, NEGATIVE: negative, THIRD: empty}, x, sigma)
        cfg = self._scale(float(sigma[0]))
        guided = self._guided(x, sigma, cfg, predicted[POSITIVE], predicted[NEGATIVE], positive, negative)
        for change in self._patches.before:
            guided = change(guided)
        uncond = guided.uncond if guided.uncond is not None else torch.zeros_like(x)
        denoised = perp_neg(guided.cond, uncond, predicted[THIRD], float(self._guider.options["neg_scale"]), cfg)
        return self._after(replace(guided, denoised=denoised)), uncond

    def _finish(self, guided: Guided) -> Tensor:
        if self._patches.combine is not None:
            denoised = self._patches.combine(guided)
        elif guided.uncond is None:
            denoised = guided.cond * guided.cfg
        else:
            denoised = guided.uncond + (guided.cond - guided.uncond) * guided.cfg
        return self._after(replace(guided, denoised=denoised))

    def _after(self, guided: Guided) -> Tensor:
        for change in self._patches.after:
            guided = replace(guided, denoised=change(guided))
        return guided.denoised

    def _guided(
        self,
        x: Tensor,
        sigma: Tensor,
        cfg: float,
        cond: Tensor,
        uncond: Tensor | None,
        positive: Sequence[Placed] | None,
        negative: Sequence[Placed] | None,
    ) -> Guided:
        step_x = x

        def predict(
            conditioning: Conditioning | Sequence[Placed], patches: NetworkPatches, x: Tensor | None = None
        ) -> Tensor:
            placed = self._place_more(conditioning) if isinstance(conditioning, Conditioning) else conditioning
            role = NEGATIVE if placed is negative else POSITIVE
            return self._network.predict({role: placed}, step_x if x is None else x, sigma, patches)[role]

        return Guided(
            x=x,
            sigma=sigma.to(x.device),
            cfg=cfg,
            cond=cond,
            uncond=uncond,
            denoised=cond,
            positive=positive,
            negative=negative,
            predict=predict,
            parameterization=self._parameterization,
        )


def _within(
    wrapper: GuidanceWrapper, run: Callable[[Tensor], tuple[Tensor, Tensor]], sigma: float, x: Tensor
) -> tuple[Tensor, Tensor]:
    return wrapper(run, x, sigma)


def perp_neg(positive: Tensor, negative: Tensor, empty: Tensor, neg_scale: float, cfg: float) -> Tensor:
    """Perp-Neg guidance over three predictions of the clean latent, https://arxiv.org/abs/2304.04968."""
    towards, away = positive - empty, negative - empty
    along = (away * towards).sum() / torch.linalg.vector_norm(towards) ** 2
    guided: Tensor = empty + cfg * (towards - neg_scale * (away - along * towards))
    return guided
