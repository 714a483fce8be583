"""A language model writes a song's codes, five a second: each is drawn by what the song is, against what it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache

from engine.model_store import ModelStore
from nodes.diffusion.language.decoder import hidden_states
from nodes.diffusion.language.qwen3 import ROTATION
from nodes.diffusion.language.qwen_tokenizer import PAD
from nodes.families.ace_step15 import CODES, FIRST_CODE
from nodes.families.ace_step15.song import Draft
from nodes.values import Clip


def write_codes(
    models: ModelStore,
    clip: Clip,
    asked: Sequence[int],
    plain: Sequence[int],
    count: int,
    draft: Draft,
    progress: Callable[[int, int], None],
) -> tuple[int, ...]:
    """``count`` codes after the tokens ``asked``; ``plain``: the same without the song's facts."""
    index = clip.index("ace_codes")
    assert index is not None
    prompts = [asked] if draft.cfg == 1.0 else [asked, plain]
    with torch.no_grad(), models.lease(clip.weights[index], clip.patches_of(index)) as module:
        written = _Writing(module.model, prompts)
        generator = torch.Generator(written.device).manual_seed(draft.seed)
        codes = []
        for number in range(count):
            code = _draw(_guided(written.scores, draft.cfg), draft, written.vocabulary, generator)
            codes.append(code)
            progress(number + 1, count)
            if number + 1 < count:
                written.go_on(FIRST_CODE + code)
    return tuple(codes)


class _Writing:
    """What the model has read so far of each prompt. ``scores``: of each code to come next, [prompts, codes]."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]]) -> None:
        self._model, self._cache = model, DynamicCache()
        longest = max(map(len, prompts))
        filled = [[PAD] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
        seen = [[False] * (longest - len(prompt)) + [True] * len(prompt) for prompt in prompts]
        self.device = model.embed_tokens.weight.device
        self.vocabulary = model.embed_tokens.num_embeddings
        self._seen = torch.tensor(seen, device=self.device)
        self.scores = self._scores(torch.tensor(filled, device=self.device))

    def go_on(self, token: int) -> None:
        """Read the token that was written after each prompt."""
        rows = self._seen.shape[0]
        self._seen = torch.cat([self._seen, self._seen.new_ones(rows, 1)], dim=1)
        self.scores = self._scores(torch.full((rows, 1), token, device=self.device))

    def _scores(self, tokens: Tensor) -> Tensor:
        model, table = self._model, self._model.embed_tokens.weight
        end = self._seen.shape[1]
        places = torch.arange(end - tokens.shape[1], end, device=self.device)[None]
        last = (len(model.layers),)
        vectors = table[tokens].float()
        (states,) = hidden_states(model, vectors, last, ROTATION, places, self._seen, self._cache)
        heard = model.norm(states[:, -1].to(table.dtype))
        return F.linear(heard, table[FIRST_CODE : FIRST_CODE + CODES]).float()


def _guided(scores: Tensor, cfg: float) -> Tensor:
    if len(scores) == 1:
        return scores[0]
    return scores[1] + cfg * (scores[0] - scores[1])


def _draw(scores: Tensor, draft: Draft, vocabulary: int, generator: torch.Generator) -> int:
    """The next code. It is drawn among the whole vocabulary, so that a seed's numbers fall as ComfyUI 0.33.0's do."""
    least = torch.finfo(scores.dtype).min
    if draft.top_k > 0:
        kept = scores.topk(min(draft.top_k, len(scores))).values[-1]
        scores = scores.masked_fill(scores < kept, least)
    if draft.min_p > 0:
        likely = scores.softmax(-1)
        scores = scores.masked_fill(likely < draft.min_p * likely.max(), least)
    if draft.top_p < 1:
        ordered, places = scores.sort(descending=True)
        beyond = ordered.softmax(-1).cumsum(-1) > draft.top_p
        beyond = torch.cat([beyond.new_zeros(1), beyond[:-1]])
        scores = scores.masked_fill(torch.zeros_like(beyond).scatter(0, places, beyond), least)
    if draft.temperature <= 0:
        return int(scores.argmax())
    whole = scores.new_full((vocabulary,), least)
    whole[FIRST_CODE : FIRST_CODE + CODES] = scores / draft.temperature
    return int(torch.multinomial(whole.softmax(-1), 1, generator=generator)) - FIRST_CODE
