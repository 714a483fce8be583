"""Qwen3 as a text encoder (arXiv:2505.09388): of Z-Image and of Flux.2 klein."""

from __future__ import annotations

from transformers import Qwen3Config
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer, Qwen3RMSNorm

from engine.weights import Weights
from nodes.diffusion.language.decoder import (
    HEAD,
    Decoder,
    LanguageModel,
    Rotation,
    language_weights,
    options,
    with_head,
)
from nodes.diffusion.weights import WeightView

HEAD_WIDTH = 128
EPSILON = 1e-6
ROTATION = Rotation(HEAD_WIDTH, 1e6)


def load(view: WeightView, kind: str) -> Weights:
    """A handle to the encoder in ``view``, which has Hugging Face's names (``model.layers.0 ...``)."""
    whole = with_head(view)
    return language_weights(kind, whole, lambda: _build(whole))


def _build(view: WeightView) -> LanguageModel:
    config = Qwen3Config(**options(view, HEAD_WIDTH, {"head_dim": HEAD_WIDTH, "rms_norm_eps": EPSILON}))
    layers = [Qwen3DecoderLayer(config, index) for index in range(config.num_hidden_layers)]
    norm = Qwen3RMSNorm(config.hidden_size, EPSILON)
    return LanguageModel(Decoder(config.vocab_size, config.hidden_size, layers, norm), head=HEAD in view)
