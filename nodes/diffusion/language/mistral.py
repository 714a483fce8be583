"""Mistral Small as a text encoder: of Flux.2 dev, whose file ends with the 30th of its 40 layers."""

from __future__ import annotations

from transformers import MistralConfig
from transformers.models.mistral.modeling_mistral import MistralDecoderLayer

from engine.weights import Weights
from nodes.diffusion.language.decoder import (
    Decoder,
    LanguageModel,
    Rotation,
    language_weights,
    options,
    with_tokenizer,
)
from nodes.diffusion.language.tekken import TENSOR
from nodes.diffusion.weights import WeightView

HEAD_WIDTH = 128
EPSILON = 1e-5
ROTATION = Rotation(HEAD_WIDTH, 1e9)


def load(view: WeightView, kind: str) -> Weights:
    """A handle to the encoder in ``view`` (Hugging Face's names, ``model.layers.0 ...``) with its tokenizer."""
    whole = with_tokenizer(view, TENSOR)
    return language_weights(kind, whole, lambda: _build(whole))


def _build(view: WeightView) -> LanguageModel:
    more = {"head_dim": HEAD_WIDTH, "rms_norm_eps": EPSILON, "sliding_window": None}
    config = MistralConfig(**options(view, HEAD_WIDTH, more))
    layers = [MistralDecoderLayer(config, index) for index in range(config.num_hidden_layers)]
    # A whole file has a final norm too, but what is read of it lies before.
    decoder = Decoder(config.vocab_size, config.hidden_size, layers, None)
    return LanguageModel(decoder, tokenizer_bytes=view.shape("tokenizer")[0])
