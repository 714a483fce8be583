"""Llama 3 as a text encoder (arXiv:2407.21783): of HunyuanVideo. Its tokenizer is its owner's, and the user's file."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRMSNorm

from engine.errors import ModelUnreadable
from engine.weights import Weights
from nodes.diffusion.language.decoder import Decoder, LanguageModel, Rotation, language_weights, options
from nodes.diffusion.weights import WeightView

HEAD_WIDTH = 128
EPSILON = 1e-5
ROTATION = Rotation(HEAD_WIDTH, 5e5)

FOLDER, FILE = "llama_tokenizer", "tokenizer.json"
_REMEDY = f"put Llama 3's {FILE} into a folder '{FOLDER}' beside the text encoder's file"


def load(view: WeightView, kind: str) -> Weights:
    """A handle to the encoder in ``view`` (Hugging Face's names), with the tokenizer that lies beside its file.

    Raises ``ModelUnreadable`` where none does: its licence lets nobody else hand it on with other software.
    """
    path = view.file.path.parent / FOLDER / FILE
    if not path.is_file():
        raise ModelUnreadable(f"text encoder '{view.file.path.name}' has no tokenizer beside it", remedy=_REMEDY)
    tokenizer = _read(path)
    return language_weights(kind, view, lambda: _build(view, tokenizer))


def _read(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # what the library raises is a bare Exception
        raise ModelUnreadable(f"'{FOLDER}/{FILE}' is no tokenizer", remedy=_REMEDY) from error


class Llama3(LanguageModel):
    """The encoder with its tokenizer."""

    def __init__(self, model: Decoder, tokenizer: Tokenizer) -> None:
        super().__init__(model)
        self._tokenizer = tokenizer

    def token_ids(self, text: str) -> list[int]:
        """The ids of ``text``, without a start."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def _build(view: WeightView, tokenizer: Tokenizer) -> Llama3:
    config = LlamaConfig(**options(view, HEAD_WIDTH, {"head_dim": HEAD_WIDTH, "rms_norm_eps": EPSILON}))
    layers = [LlamaDecoderLayer(config, index) for index in range(config.num_hidden_layers)]
    norm = LlamaRMSNorm(config.hidden_size, EPSILON)
    return Llama3(Decoder(config.vocab_size, config.hidden_size, layers, norm), tokenizer)
