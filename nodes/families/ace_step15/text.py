"""Prompts of ACE-Step 1.5: Qwen3 reads tags and facts, its table the lyrics, and a writer makes codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.model_store import ModelStore
from nodes.diffusion.language.encoding import Layers, embedding_files, one_prompt, read
from nodes.diffusion.language.pieces import pieces_of
from nodes.diffusion.language.qwen3 import ROTATION
from nodes.diffusion.language.qwen_tokenizer import PAD, token_ids
from nodes.families.ace_step15.codes import write_codes
from nodes.families.ace_step15.song import CODES_A_SECOND, CodesWanted, Song
from nodes.values import Clip, Cond

_Told = Callable[[int, int], None]


def _unheard(done: int, whole: int) -> None:
    """Discards the note."""


def encode(models: ModelStore, clip: Clip, text: str | Mapping[str, str], embeddings: Sequence[Path] = ()) -> Cond:
    """A song without lyrics, of 120 s, of which nothing but tags is known."""
    return encode_song(models, clip, Song(one_prompt(text)), CodesWanted(), embeddings)


def encode_song(
    models: ModelStore,
    clip: Clip,
    song: Song,
    wanted: CodesWanted,
    embeddings: Sequence[Path],
    progress: _Told = _unheard,
) -> Cond:
    """``context``: float32[1, tokens, width] of tags and facts. ``extra``: ``conditioning_lyrics``, the same of lyrics,
    and ``audio_codes``, five a second, where they are ``wanted``.
    """
    files = embedding_files(models, clip, "qwen3", "qwen3_06b", embeddings)
    pieces = pieces_of(song.caption(), token_ids, files)
    context = read(models, clip, "qwen3", pieces, Layers(), ROTATION, PAD).context
    extra: dict[str, Any] = {"conditioning_lyrics": _rows(models, clip, token_ids(song.sung()))}
    if wanted.codes:
        asked, plain = (token_ids(song.asked(with_facts=known)) for known in (True, False))
        count = song.seconds * CODES_A_SECOND
        extra["audio_codes"] = (write_codes(models, clip, asked, plain, count, wanted.draft, progress),)
    return Cond(context, extra=extra)


def _rows(models: ModelStore, clip: Clip, tokens: Sequence[int]) -> Tensor:
    """The table's rows of these tokens: float32[1, tokens, width]."""
    index = clip.index("qwen3")
    assert index is not None
    with torch.no_grad(), models.lease(clip.weights[index], clip.patches_of(index)) as module:
        table: Tensor = module.get_parameter("model.embed_tokens.weight")
        return table[torch.tensor(tokens, device=table.device)].float().cpu()[None]
