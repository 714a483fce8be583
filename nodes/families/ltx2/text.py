"""Prompts of LTX-2: all layers of Gemma 3, projected; the network goes on with them by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from engine.model_store import ModelStore
from nodes.diffusion.language.encoding import one_prompt
from nodes.diffusion.language.gemma3 import all_states, token_ids
from nodes.values import Clip, Cond


def encode(models: ModelStore, clip: Clip, text: str | Mapping[str, str], embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, tokens, width]; ``unprocessed_ltxav_embeds``: that the network's connectors come next."""
    language, projection = (clip.kinds.index(kind) for kind in ("gemma3", "ltx2_projection"))
    with torch.no_grad():
        with models.lease(clip.weights[language], clip.patches_of(language)) as module:
            given: Any = module
            states = all_states(given, token_ids(given, one_prompt(text)))
        with models.lease(clip.weights[projection], clip.patches_of(projection)) as module:
            weight = next(module.parameters())
            context = module(states.to(weight.device, weight.dtype))
    return Cond(context.float().cpu(), extra={"unprocessed_ltxav_embeds": True})
