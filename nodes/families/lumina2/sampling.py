"""What Lumina 2's transformer gets beside the noisy latent."""

from __future__ import annotations

from nodes.diffusion.inputs import Input, Scene
from nodes.diffusion.transformers import context_of
from nodes.families.lumina2.denoiser import Lumina2Variant
from nodes.values import Cond


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """``context``. Raises ``InputInvalid`` for another family's prompt."""
    variant: Lumina2Variant = scene.model.variant
    return {"context": context_of(entry, scene, variant.context_width)}
