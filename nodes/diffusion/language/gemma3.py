"""Gemma 3 as a text encoder (arXiv:2503.19786): of LTX-2, which reads what enters and leaves every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Gemma3TextConfig
from transformers.models.gemma3.modeling_gemma3 import Gemma3DecoderLayer

from engine.weights import Weights
from nodes.diffusion.language.decoder import (
    LanguageModel,
    Rotation,
    language_weights,
    options,
    tokenizer_of,
    with_tokenizer,
)
from nodes.diffusion.language.gemma2 import EPSILON, language_model
from nodes.diffusion.language.sentence_pieces import TENSOR, sentence_pieces
from nodes.diffusion.weights import WeightView

KIND = "gemma3"
HEAD_NORMS = ("q_norm", "k_norm")
HEAD_WIDTH = 256
START = 2
MARKS = (("<image_soft_token>", 262144), ("<end_of_turn>", 106))
WINDOW = 1024
"""Tokens that most layers look back on."""
EACH = 6
"""Of as many layers the last one looks back on all tokens."""
NEAR, FAR = Rotation(HEAD_WIDTH, 1e4), Rotation(HEAD_WIDTH, 1e6)
FAR_STRETCH = 8.0
"""How much further apart positions are for a layer that looks far than they count."""


def load(view: WeightView, kind: str) -> Weights:
    """A handle to the encoder in ``view`` (Hugging Face's names, ``model.layers.0 ...``) with its tokenizer."""
    whole = with_tokenizer(view, TENSOR)
    return language_weights(kind, whole, lambda: _build(whole))


def token_ids(module: LanguageModel, text: str) -> list[int]:
    """The tokens of ``text`` with the start before them; weights in parentheses are text."""
    return [START, *sentence_pieces(tokenizer_of(module), MARKS).token_ids(text)]


def all_states(module: Any, ids: Sequence[int]) -> Tensor:
    """What enters each layer and, normed, what leaves the last one: float32[layers + 1, tokens, width]."""
    model: Any = module.model
    weight = model.embed_tokens.weight
    hidden = (model.embed_tokens(torch.tensor([list(ids)], device=weight.device)) * model.scale).to(weight.dtype)
    positions = torch.arange(len(ids), device=weight.device)[None]
    turns = {
        is_far: tuple(each.to(hidden) for each in rotation.at(places))
        for is_far, rotation, places in ((False, NEAR, positions), (True, FAR, positions / FAR_STRETCH))
    }
    near = _window(len(ids), weight.device)
    states = []
    for number, layer in enumerate(model.layers):
        states.append(hidden.float())
        is_far = number % EACH == EACH - 1
        hidden = layer(hidden, position_embeddings=turns[is_far], attention_mask=None if is_far else near)
    states.append(model.norm(hidden).float())
    return torch.cat(states)


def _window(tokens: int, device: torch.device) -> Tensor | None:
    """Which tokens a layer that looks back on few sees: bool[1, 1, tokens, tokens], None where that is all."""
    if tokens <= WINDOW:
        return None
    seen = torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril()
    return (seen & seen.triu(1 - WINDOW))[None, None]


def _build(view: WeightView) -> LanguageModel:
    more = {
        "head_dim": HEAD_WIDTH,
        "query_pre_attn_scalar": HEAD_WIDTH,
        "rms_norm_eps": EPSILON,
        "sliding_window": None,
    }
    config = Gemma3TextConfig(**options(view, HEAD_WIDTH, more))
    layers = [Gemma3DecoderLayer(config, index) for index in range(config.num_hidden_layers)]
    return language_model(view, config, layers, HEAD_NORMS)
