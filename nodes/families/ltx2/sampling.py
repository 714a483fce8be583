"""What LTX-2's transformer gets beside the noisy film and sound."""

from __future__ import annotations

from nodes.diffusion.inputs import Input, Scene
from nodes.diffusion.transformers import context_of
from nodes.families.ltx.sampling import film_inputs
from nodes.families.ltx2.network import LTX2Variant
from nodes.values import Cond


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """By name, see :func:`nodes.families.ltx2.denoiser.step`.

    Raises ``InputInvalid`` for another family's prompt, and for guides of another size than the latent.
    """
    variant: LTX2Variant = scene.model.variant
    context = context_of(entry, scene, variant.context_width).value
    found = {"context": Input(context, "pad"), "variant": Input(variant, "same")} | film_inputs(entry, scene)
    if scene.other_masks:
        found["noisy_sound"] = Input(scene.other_masks[0][:, 0, :, 0])
    return found
