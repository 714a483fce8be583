"""What Qwen-Image's transformer gets beside the noisy latent."""

from __future__ import annotations

from nodes.diffusion.inputs import Input, Scene
from nodes.diffusion.references import reference_inputs
from nodes.diffusion.transformers import context_of
from nodes.families.qwen_image.denoiser import QwenImageVariant
from nodes.values import Cond


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """``context`` and references. Raises ``InputInvalid`` for another family's prompt."""
    variant: QwenImageVariant = scene.model.variant
    context = context_of(entry, scene, variant.context_width)
    return {"context": context, **reference_inputs(entry, scene, variant.reference_method)}
