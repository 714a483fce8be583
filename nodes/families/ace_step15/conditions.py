"""What ACE-Step 1.5's transformer is told: words, lyrics and a timbre as tokens, and hints for each cell of the latent.

Numbers and the order of steps are ComfyUI 0.33.0's, whose encoders attend without a window.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.families.ace_step15.attention import encoder_layer, turns
from nodes.families.ace_step15.network import POOL

LEVELS = (8, 8, 8, 5, 5, 5)
SILENCE = 35847
"""The code that stands for silence."""


def tokens_of(module: Any, words: Tensor, lyrics: Tensor, timbre: Tensor) -> Tensor:
    """Lyrics, timbre and words as tokens, [rows, tokens, width]; ``timbre``: a sound's latent, [rows, cells, 64]."""
    encoder = module.encoder
    sung = _encoded(encoder.lyric_encoder, encoder.lyric_encoder.embed_tokens(lyrics))
    voiced = _encoded(encoder.timbre_encoder, encoder.timbre_encoder.embed_tokens(timbre))[:, :1]
    return torch.cat([sung, voiced, encoder.text_projector(words)], dim=1)


def unconditional(module: Any, tokens: Tensor) -> Tensor:
    """As many tokens that say nothing."""
    made: Tensor = module.encoder.null_condition_emb.to(tokens).expand_as(tokens)
    return made


def hints_of_codes(module: Any, codes: Tensor, cells: int) -> Tensor:
    """Hints for ``cells`` of a latent, [rows, cells, 64], from codes, int64[rows, codes]; silence where they end."""
    missing = -(-cells // POOL) - codes.shape[1]
    if codes.shape[1] * POOL < cells:
        codes = F.pad(codes, (0, missing), value=SILENCE)
    levels = torch.tensor(LEVELS, device=codes.device)
    basis = torch.cat([levels.new_ones(1), levels.cumprod(0)[:-1]])
    digits = codes[..., None] // basis % levels
    weight = module.tokenizer.quantizer.project_out.weight
    points = digits.to(weight.dtype) * (2.0 / (levels - 1)).to(weight.dtype) - 1.0
    return _expanded(module, module.tokenizer.quantizer.project_out(points))[:, :cells]


def hints_of_sound(module: Any, sound: Tensor) -> Tensor:
    """Hints that follow a sound's latent, [rows, cells, 64]: what is left of it after it was made codes."""
    cells = sound.shape[1]
    padded = torch.unflatten(F.pad(sound, (0, 0, 0, -cells % POOL)), 1, (-1, POOL))
    tokenizer = module.tokenizer
    pooled = _pooled(tokenizer.attention_pooler, tokenizer.audio_acoustic_proj(padded))
    points = tokenizer.quantizer.project_in(pooled)
    levels = torch.tensor(LEVELS, device=points.device, dtype=points.dtype)
    clamp = 1 + 1 / (levels - 1)
    points = (points / clamp).tanh() * clamp
    steps = ((levels - 1) * (points.tanh() + 1) / 2 + 0.5).floor()
    return _expanded(module, tokenizer.quantizer.project_out(steps * 2 / (levels - 1) - 1))[:, :cells]


def _encoded(part: Any, x: Tensor) -> Tensor:
    turned = turns(x.shape[1], x)
    for layer in part.layers:
        x = encoder_layer(layer, x, turned)
    made: Tensor = part.norm(x)
    return made


def _pooled(pooler: Any, x: Tensor) -> Tensor:
    """One token for each group of cells: [rows, groups, cells, width] to [rows, groups, width]."""
    x = pooler.embed_tokens(x)
    first = pooler.special_token.to(x).expand(*x.shape[:2], 1, -1)
    tokens = torch.cat([first, x], dim=2)
    return torch.unflatten(_encoded(pooler, tokens.flatten(0, 1))[:, 0], 0, x.shape[:2])


def _expanded(module: Any, x: Tensor) -> Tensor:
    """A group of cells for each token: [rows, tokens, width] to [rows, cells, 64]."""
    part = module.detokenizer
    rows, tokens = x.shape[:2]
    spread = part.embed_tokens(x)[:, :, None] + part.special_tokens.to(x)[:, None]
    made: Tensor = part.proj_out(_encoded(part, spread.flatten(0, 1)))
    return made.reshape(rows, tokens * POOL, -1)
