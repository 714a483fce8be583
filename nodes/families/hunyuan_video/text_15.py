"""Prompts of HunyuanVideo 1.5: Qwen2.5-VL's third layer from the end, and by ByT5 what is to be written in the film."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine.model_store import ModelStore
from nodes.diffusion.language.encoding import Layers, one_prompt, read
from nodes.diffusion.language.pieces import pieces_of
from nodes.diffusion.language.qwen25_vl import ROTATION
from nodes.diffusion.language.qwen_tokenizer import IM_START, PAD, token_ids
from nodes.diffusion.text.chunks import Chunk, Vocabulary, groups
from nodes.diffusion.text.lengths import Length
from nodes.diffusion.text.t5 import encode_t5
from nodes.values import Clip, Cond

TEMPLATE = (
    "<|im_start|>system\nYou are a helpful assistant. Describe the video by detailing the following aspects:\n"
    "1. The main content and theme of the video.\n"
    "2. The color, shape, size, texture, quantity, text, and spatial relationships of the objects.\n"
    "3. Actions, events, behaviors temporal relationships, physical movement changes of the objects.\n"
    "4. background environment, light, style and atmosphere.\n"
    "5. camera angles, movements, and transitions used in the video.<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
FIRST_BYTE, END, GLYPH_PAD = 3, 1, 0
QUOTES = (r"\"(.*?)\"", r"‘(.*?)’", r"“(.*?)”")
_USER_TURN = 3  # tokens of the message's start
_LAYERS = Layers(-3)


def encode(models: ModelStore, clip: Clip, text: str | Mapping[str, str]) -> Cond:
    """``context``: float32[1, tokens, Qwen's width]; where words are quoted, ``conditioning_byt5small`` in extra."""
    prompt = one_prompt(text)
    pieces = pieces_of(TEMPLATE.format(prompt or " "), token_ids)
    found = read(models, clip, "qwen25_vl", pieces, _LAYERS, ROTATION, PAD)
    starts = [place for place, piece in enumerate(pieces) if isinstance(piece, int) and piece == IM_START]
    context = found.context[:, starts[1] + _USER_TURN :]
    quoted = [words for pattern in QUOTES for words in re.findall(pattern, prompt)]
    if not quoted:
        return Cond(context)
    return Cond(context, extra={"conditioning_byt5small": _glyphs(models, clip, quoted)})


def _glyphs(models: ModelStore, clip: Clip, quoted: list[str]) -> Tensor:
    """What ByT5 makes of the words, float32[1, bytes and an end, width]."""
    text = "".join(f'Text "{words}". ' for words in quoted)
    tokens = [token for group in groups(text, Vocabulary(GLYPH_PAD, "byt5_small"), byte_ids) for token in group]
    row = Chunk((*(token for token, _ in tokens), END), (*(weight for _, weight in tokens), 1.0))
    index = clip.kinds.index("byt5")
    with torch.no_grad(), models.lease(clip.weights[index], clip.patches_of(index)) as module:
        given: Any = module
        return encode_t5(given, row, Length(1), clip.last_layer)


def byte_ids(text: str) -> list[int]:
    """ByT5's tokens (Xue et al. 2021, arXiv:2105.13626): the bytes of UTF-8, after three marks."""
    return [FIRST_BYTE + byte for byte in text.encode()]
