"""The prompt, padded to the longest of a pass; and the mask, for a timestep per cell."""

from __future__ import annotations

from nodes.diffusion.inputs import Input, Scene
from nodes.values import Cond


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    found = {"text": Input(entry.context, "pad")}
    return found if scene.mask is None else {**found, "denoise_mask": Input(scene.mask[:, :1], "cut")}
