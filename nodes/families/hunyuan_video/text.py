"""Prompts of HunyuanVideo: the third layer from the end of Llama 3, which is asked to describe a film, and CLIP-L."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.model_store import ModelStore
from nodes.diffusion.language.encoding import Layers, one_prompt, run
from nodes.diffusion.language.llama3 import ROTATION
from nodes.diffusion.text.clip import encode_clip, tokenized
from nodes.diffusion.text.encoder import EncoderReading
from nodes.diffusion.text.prompt import parse
from nodes.families.hunyuan_video import text_15
from nodes.values import Clip, Cond

TEMPLATE = (
    "<|start_header_id|>system<|end_header_id|>\n\nDescribe the video by detailing the following aspects: "
    "1. The main content and theme of the video."
    "2. The color, shape, size, texture, quantity, text, and spatial relationships of the objects."
    "3. Actions, events, behaviors temporal relationships, physical movement changes of the objects."
    "4. background environment, light, style and atmosphere."
    "5. camera angles, movements, and transitions used in the video:<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"
)
START, HEADER, HEADER_END, END, PAD = 128000, 128006, 128007, 128009, 128258
USER, LINES = 882, 271
"""The word "user", and two line ends."""

_LAYERS = Layers(-3)
_SUMMARY = EncoderReading(None, norm=True, projected=False)


def encode(models: ModelStore, clip: Clip, text: str | Mapping[str, str], embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, tokens, Llama's width]; ``pooled``: float32[1, CLIP-L's width]. 1.5 reads otherwise."""
    if clip.texts != "hunyuan_video":
        return text_15.encode(models, clip, text)
    prompt = one_prompt(text)
    index = clip.kinds.index("llama3")
    with torch.no_grad(), models.lease(clip.weights[index], clip.patches_of(index)) as module:
        given: Any = module
        ids, weights = weighted_ids(TEMPLATE.format(prompt), given.token_ids)
        context = run(given, ids, _LAYERS, ROTATION, PAD, clip.last_layer).context
        if bool((weights != 1).any()):
            # An empty prompt is a start and padding, which nothing attends to.
            empty = run(given, [START, *[PAD] * (len(ids) - 1)], _LAYERS, ROTATION, PAD, clip.last_layer).context
            context = torch.where(weights == 1, context, (context - empty) * weights + empty)
    chunks = tokenized(models, clip, text, embeddings)["clip_l"]
    return Cond(context[:, prompts_part(ids)], encode_clip(models, clip, "clip_l", chunks, _SUMMARY)[1])


def weighted_ids(whole: str, token_ids: Callable[[str], list[int]]) -> tuple[list[int], Tensor]:
    """The tokens with the start before them, and how much each counts: float32[1, tokens, 1]."""
    ids, weights = [START], [1.0]
    for segment in parse(whole):
        tokens = token_ids(segment.text)
        ids += tokens
        weights += [segment.weight] * len(tokens)
    return ids, torch.tensor(weights)[None, :, None]


def prompts_part(ids: Sequence[int]) -> slice:
    """Which tokens are the user's: after the header's line ends, with the end of the message."""
    start, stop = 0, len(ids)
    for place in range(len(ids) - 2):
        if (ids[place], ids[place + 1], ids[place + 2]) == (HEADER, USER, HEADER_END):
            start, stop = place + 2, -1
    if stop == -1:
        stop = next((place + 1 for place in range(start, len(ids)) if ids[place] == END), len(ids) - 1)
    if len(ids) > start + 2 and ids[start + 1] == LINES:
        start += 2
    return slice(start, stop)
