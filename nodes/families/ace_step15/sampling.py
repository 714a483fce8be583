"""What ACE-Step 1.5's network gets beside the noisy latent: words, lyrics, a timbre, codes."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.inputs import Input, Scene
from nodes.diffusion.transformers import context_of
from nodes.families.ace_step15.silence import silence
from nodes.values import Cond


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """By name, see :func:`nodes.families.ace_step15.denoiser.step`. Raises ``InputInvalid`` for another's prompt."""
    words = context_of(entry, scene, scene.model.variant.context_width)
    lyrics = entry.extra.get("conditioning_lyrics")
    if lyrics is None:
        raise InputInvalid(
            "this prompt has no lyrics", input=scene.role, remedy="encode it with TextEncodeAceStepAudio1.5"
        )
    cells, device = scene.latent.shape[-1], scene.latent.device
    references = entry.extra.get("reference_audio_timbre_latents")
    codes = None if references else entry.extra.get("audio_codes")
    found = {
        "context": words,
        "lyrics": Input(lyrics.to(device)),
        "timbre": Input(_timbre(references[-1] if references else None, cells).to(device)),
        "cover": Input(bool(references), "same"),
        "silent": Input(not bool(entry.context.count_nonzero()), "same"),
    }
    if codes:
        found["codes"] = Input(torch.tensor(codes, device=device))
    return found


def _timbre(reference: Tensor | None, cells: int) -> Tensor:
    """The latent of the sound whose timbre is meant, [1 or rows, 64, cells]: silence where there is none."""
    quiet = silence(cells)
    if reference is None:
        return quiet
    heard = reference[..., :cells]
    return torch.cat([heard, quiet[..., heard.shape[-1] :].expand(heard.shape[0], -1, -1)], dim=-1)
