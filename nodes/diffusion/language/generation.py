"""A language model writes on: token after token, with the keys and values of what came before kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from nodes.diffusion.language.decoder import Rotation, hidden_states
from nodes.diffusion.language.pieces import Piece, embed
from nodes.diffusion.language.token_choice import TokenSampling

_NO_PADDING = -1


def generate(
    module: Any,
    pieces: Sequence[Piece],
    rotation: Rotation,
    stops: Collection[int],
    most: int,
    drawing: TokenSampling | None,
    progress: Callable[[int, int], None],
) -> list[int]:
    """What a lent model writes after ``pieces``: at most ``most`` tokens, up to the first of ``stops``, with that.

    ``drawing``: how tokens are drawn; ``None``: always the likeliest. ``progress`` is called after every token, with
    how many there are and ``most``.
    """
    table = module.model.embed_tokens.weight
    given = embed(module, pieces, _NO_PADDING)
    vectors, positions, place = given.vectors, given.positions, int(given.positions[:, -1].max())
    generator = None if drawing is None else torch.Generator(table.device).manual_seed(drawing.seed)
    cache, written = DynamicCache(), list[int]()
    for count in range(1, most + 1):
        scores = _scores(module, vectors, positions, rotation, cache)
        if drawing is None or generator is None:
            token = int(scores.argmax())
        else:
            token = drawing.draw(scores, written, generator)
        written.append(token)
        progress(count, most)
        if token in stops:
            break
        vectors = table[token][None, None].float() * module.model.scale
        positions = torch.full((3, 1), place + count, device=table.device)
    return written


def _scores(module: Any, vectors: Tensor, positions: Tensor, rotation: Rotation, cache: DynamicCache) -> Tensor:
    """Of each token to come next: float32[vocabulary]. Models without an output layer of their own use the table."""
    model = module.model
    (states,) = hidden_states(model, vectors, (len(model.layers),), rotation, positions, cache=cache)
    head = getattr(module, "lm_head", model.embed_tokens).weight
    last = model.norm(states[:, -1:].to(head.dtype))
    scores: Tensor = torch.nn.functional.linear(last, head)[0, 0].float()
    return scores
