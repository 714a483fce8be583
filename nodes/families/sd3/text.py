"""Stable Diffusion 3's prompts: CLIP-L and bigG side by side, T5 after them; any of the three may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.model_store import ModelStore
from nodes.diffusion.text.clip import Prompts, encode_clip, prompt_for, side_by_side, tokenized
from nodes.diffusion.text.encoder import EncoderReading
from nodes.diffusion.text.lengths import Length
from nodes.diffusion.text.t5 import encode_prompt
from nodes.values import Clip, Cond

LENGTH = Length(77)

# Widths of the published encoders, for one that is missing: CLIP-L's tokens and summary, bigG's summary, all tokens.
_L_WIDTH, _G_WIDTH, _WIDTH = 768, 1280, 4096
_READINGS: Mapping[str, EncoderReading] = {
    "clip_l": EncoderReading(-2, norm=False, projected=False),
    "clip_g": EncoderReading(-2, norm=False, projected=True),
}


def encode(models: ModelStore, clip: Clip, text: Prompts, embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, 77 tokens for each section of CLIP and as many as T5 has, width of T5].

    ``pooled``: float32[1, width of CLIP-L's and bigG's]. No prompt for both CLIPs leaves their tokens out, and zeros
    for their summary.
    """
    context, pooled = _read_clips(models, clip, text, embeddings)
    if clip.index("t5xxl") is None:
        if context is None:
            return Cond(torch.zeros(1, LENGTH.minimum, _WIDTH), pooled)
        # Encoders narrower than any published one belong to a narrower model, which is known when it samples.
        return Cond(_filled(context, _WIDTH) if context.shape[-1] >= _L_WIDTH else context, pooled)
    of_t5 = encode_prompt(models, clip, prompt_for(text, "t5xxl"), LENGTH, embeddings)
    if context is None:
        return Cond(of_t5, pooled)
    return Cond(torch.cat([_filled(context, of_t5.shape[-1]), of_t5], dim=1), pooled)


def _read_clips(
    models: ModelStore, clip: Clip, text: Prompts, embeddings: Sequence[Path]
) -> tuple[Tensor | None, Tensor]:
    """Tokens of the CLIPs that are there, and the summaries of both, zeros for one that is missing."""
    kinds = [kind for kind in _READINGS if clip.index(kind) is not None]
    has_text = isinstance(text, str) or bool(text.keys() & _READINGS.keys())
    chunks = tokenized(models, clip, text, embeddings) if has_text and kinds else {}
    read = {kind: encode_clip(models, clip, kind, chunks[kind], _READINGS[kind]) for kind in kinds if kind in chunks}
    summaries = [
        read[kind][1] if kind in read else torch.zeros(1, _summary_width(models, clip, kind)) for kind in _READINGS
    ]
    contexts = [context for context, _ in read.values()]
    if list(read) == ["clip_g"]:
        contexts.insert(0, contexts[0].new_zeros(*contexts[0].shape[:2], _L_WIDTH))
    return side_by_side(contexts) if contexts else None, torch.cat(summaries, dim=-1)


def _summary_width(models: ModelStore, clip: Clip, kind: str) -> int:
    index = clip.index(kind)
    if index is None:
        return _L_WIDTH if kind == "clip_l" else _G_WIDTH
    shapes = models.shapes(clip.weights[index])
    return shapes["text_model.final_layer_norm.weight"][0]


def _filled(context: Tensor, width: int) -> Tensor:
    return F.pad(context, (0, max(width - context.shape[-1], 0)))
