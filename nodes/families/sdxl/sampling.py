"""What the UNet gets beside the noisy latent: as in Stable Diffusion 1 and 2, and a vector of sizes."""

from __future__ import annotations

from nodes.diffusion.inputs import Input, Scene
from nodes.families.sd import sampling as sd
from nodes.families.sdxl.vector import vector
from nodes.values import Cond


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """``context`` and ``channels`` as :func:`nodes.families.sd.sampling.inputs` has them, and ``y``."""
    found = sd.inputs(entry, scene)
    height_px, width_px = scene.size_px
    refines = scene.model.variant.texts == "sdxl_refiner"
    y = vector(entry, refines=refines, width_px=width_px, height_px=height_px, negative=scene.role != "positive")
    return found | {"y": Input(y.to(scene.latent.device))}
