"""What the UNet gets besides the latent: the prompt, and a switch that asks for the learned map, not the picture."""

from __future__ import annotations

import torch

from nodes.diffusion.inputs import Input, Scene
from nodes.families.sd import sampling as sd
from nodes.values import Cond

_WANTED = (1.0, 0.0)  # (0, 1) is the picture itself


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """``context``, and ``y``: float32[1, 4], the sines and the cosines of what is wanted."""
    wanted = torch.tensor([_WANTED], device=scene.latent.device)
    return sd.inputs(entry, scene) | {"y": Input(torch.cat([wanted.sin(), wanted.cos()], dim=1))}
