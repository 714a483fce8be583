"""What Stable Diffusion 3's network gets beside the noisy latent: the prompt and its summary."""

from __future__ import annotations

import torch.nn.functional as F

from engine.errors import InputInvalid
from nodes.diffusion.inputs import Input, Scene
from nodes.values import Cond


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """``context`` and ``pooled``. A prompt of CLIP encoders alone is as wide as these and filled up with zeros.

    Raises ``InputInvalid`` for another family's prompt.
    """
    missing = scene.model.variant.context_width - entry.context.shape[-1]
    if missing < 0 or entry.pooled is None:
        found = "without a summary" if entry.pooled is None else f"{entry.context.shape[-1]} wide"
        raise InputInvalid(
            f"this prompt was encoded {found}, but the model reads prompts {scene.model.variant.context_width} wide "
            "with a summary",
            input=scene.role,
            remedy=f"encode it with the text encoders of {scene.model.family.title}",
        )
    return {"context": Input(F.pad(entry.context, (0, missing))), "pooled": Input(entry.pooled)}
