"""Which token comes next: the likeliest, or one drawn among the likely (Holtzman et al. 2020, arXiv:1904.09751)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TokenSampling:
    """How tokens are drawn, as ComfyUI 0.33.0 does it: penalties, temperature, then what is left out.

    ``top_k``: how many of the likeliest are left, 0 = all; ``min_p``: those are left out that are less likely than this
    part of the likeliest (arXiv:2407.01082); ``top_p``: and those after which more than this probability lies.
    ``repetition_penalty`` divides (or multiplies, below 0) the scores of tokens that were written already,
    ``presence_penalty`` is taken off them.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    seed: int = 0

    def scores(self, scores: Tensor, written: Collection[int]) -> Tensor:
        """``scores``, float32[vocabulary], after penalties and temperature."""
        if written:
            known = torch.tensor(sorted(set(written)), device=scores.device)
            lowered = scores[known]
            lowered = torch.where(lowered < 0, lowered * self.repetition_penalty, lowered / self.repetition_penalty)
            scores = scores.index_copy(0, known, lowered - self.presence_penalty)
        return scores / self.temperature

    def draw(self, scores: Tensor, written: Collection[int], generator: torch.Generator) -> int:
        """The next token of those that ``scores``, float32[vocabulary], leave likely enough."""
        scores = self.scores(scores, written)
        tokens = None
        if self.top_k > 0:
            scores, tokens = scores.topk(min(self.top_k, len(scores)))
        if self.min_p > 0:
            likely = scores.softmax(-1)
            scores = _without(scores, likely < self.min_p * likely.max())
        if self.top_p < 1:
            ordered, places = scores.sort(descending=True)
            beyond = ordered.softmax(-1).cumsum(-1) > self.top_p
            beyond[0] = False
            scores = _without(scores, torch.zeros_like(beyond).scatter(0, places, beyond))
        drawn = torch.multinomial(scores.softmax(-1), 1, generator=generator)
        return int(drawn if tokens is None else tokens[drawn])


def _without(scores: Tensor, left_out: Tensor) -> Tensor:
    return scores.masked_fill(left_out, torch.finfo(scores.dtype).min)
