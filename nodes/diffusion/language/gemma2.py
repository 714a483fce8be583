"""Gemma 2 as a text encoder (arXiv:2408.00118): of Lumina 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Gemma2Config
from transformers.models.gemma2.modeling_gemma2 import Gemma2DecoderLayer

from engine.weights import Weights
from nodes.diffusion.language.decoder import (
    Decoder,
    LanguageModel,
    Rotation,
    language_weights,
    options,
    with_tokenizer,
)
from nodes.diffusion.language.sentence_pieces import TENSOR
from nodes.diffusion.weights import WeightView

HEAD_WIDTH = 256
EPSILON = 1e-6
ROTATION = Rotation(HEAD_WIDTH, 1e4)
NORMS = ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm")


def load(view: WeightView, kind: str) -> Weights:
    """A handle to the encoder in ``view`` (Hugging Face's names, ``model.layers.0 ...``) with its tokenizer."""
    whole = with_tokenizer(view, TENSOR)
    return language_weights(kind, whole, lambda: _build(whole))


class Norm(nn.Module):
    """A root mean square norm with 1 + weight, a sum that ComfyUI rounds to the format that the file has."""

    def __init__(self, width: int, stored: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self._stored = stored

    def forward(self, hidden: Tensor) -> Tensor:
        """``hidden``, [..., width], normed, in its own number format."""
        scale = self.weight.to(self._stored) + 1
        return F.rms_norm(hidden, self.weight.shape, scale.to(hidden.dtype), EPSILON)


def _build(view: WeightView) -> LanguageModel:
    # Without soft-capping and sliding windows, as ComfyUI runs it; prompts are shorter than the window.
    more = {
        "head_dim": HEAD_WIDTH,
        "query_pre_attn_scalar": HEAD_WIDTH,
        "rms_norm_eps": EPSILON,
        "attn_logit_softcapping": None,
        "sliding_window": None,
    }
    config = Gemma2Config(**options(view, HEAD_WIDTH, more))
    layers = [Gemma2DecoderLayer(config, index) for index in range(config.num_hidden_layers)]
    return language_model(view, config, layers)


def language_model(
    view: WeightView, config: Any, layers: Sequence[Any], head_norms: Sequence[str] = ()
) -> LanguageModel:
    """The model of ``layers`` with the norms that ComfyUI computes; ``head_norms``: of each attention's heads, too."""
    stored, width = view.fact("model.layers.0.input_layernorm.weight").dtype, config.hidden_size
    for layer in layers:
        for name in NORMS:
            setattr(layer, name, Norm(width, stored))
        for name in head_norms:
            setattr(layer.self_attn, name, Norm(config.head_dim, stored))
    decoder = Decoder(config.vocab_size, width, list(layers), Norm(width, stored), scale=width**0.5)
    return LanguageModel(decoder, tokenizer_bytes=view.shape("tokenizer")[0])
