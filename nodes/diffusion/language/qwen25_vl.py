"""Qwen2.5-VL as a text encoder that sees pictures (arXiv:2502.13923): of Qwen-Image."""

from __future__ import annotations

from transformers import Qwen2Config
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer, Qwen2RMSNorm

from engine.weights import Weights
from nodes.diffusion.language.decoder import Decoder, LanguageModel, Rotation, language_weights, options
from nodes.diffusion.language.qwen_vision import build_tower
from nodes.diffusion.weights import WeightView

HEAD_WIDTH = 128
EPSILON = 1e-6
ROTATION = Rotation(HEAD_WIDTH, 1e6, (16, 24, 24))


def load(view: WeightView, kind: str) -> Weights:
    """A handle to the encoder in ``view``: ``model.layers.0 ...`` and, for pictures, ``visual. ...``."""
    return language_weights(kind, view, lambda: _build(view))


def _build(view: WeightView) -> LanguageModel:
    config = Qwen2Config(**options(view, HEAD_WIDTH, {"head_dim": HEAD_WIDTH, "rms_norm_eps": EPSILON}))
    layers = [Qwen2DecoderLayer(config, index) for index in range(config.num_hidden_layers)]
    norm = Qwen2RMSNorm(config.hidden_size, EPSILON)
    decoder = Decoder(config.vocab_size, config.hidden_size, layers, norm)
    return LanguageModel(decoder, build_tower(view) if "visual.patch_embed.proj.weight" in view else None)
