"""What Chroma's network gets beside the noisy latent: as Flux.1's, and it is told no guidance by default."""

from __future__ import annotations

import torch

from nodes.diffusion.inputs import Input, Scene
from nodes.families.flux.sampling import prompt_inputs
from nodes.values import Cond


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """Those that :func:`nodes.families.chroma.denoiser.step` describes; guidance is 0 where nothing says otherwise."""
    found = prompt_inputs(entry, scene)
    guidance = entry.extra.get("guidance")
    return found | {"guidance": Input(torch.tensor([guidance or 0.0], dtype=torch.float32))}
