"""What Flux.2's transformer gets beside the noisy latent."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F

from nodes.diffusion.inputs import Input, Scene
from nodes.diffusion.references import reference_inputs
from nodes.diffusion.transformers import context_of
from nodes.families.flux2.denoiser import Flux2Variant
from nodes.values import Cond

TOKENS = 512
GUIDANCE = 3.5


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """``context``, filled up in front, ``guidance`` and references.

    Raises ``InputInvalid`` for another family's prompt. The guidance is 3.5 where no
    node set one; ``None`` leaves it out altogether.
    """
    variant: Flux2Variant = scene.model.variant
    context = context_of(entry, scene, variant.context_width)
    missing = max(TOKENS - context.value.shape[1], 0)
    found = {"context": replace(context, value=F.pad(context.value, (0, 0, missing, 0)))}
    guidance = entry.extra.get("guidance", GUIDANCE)
    if guidance is not None:
        found["guidance"] = Input(torch.tensor([float(guidance)], device=scene.latent.device))
    return {**found, **reference_inputs(entry, scene, variant.reference_method)}
