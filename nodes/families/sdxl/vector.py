"""The vector that SDXL's networks get beside the prompt: the pooled prompt and embeddings of sizes and crops.

Podell et al. 2023 (arXiv:2307.01952), section 2.2.
"""

from __future__ import annotations

import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor

from engine.errors import InputInvalid
from nodes.values import Cond

NUMBER_WIDTH = 256
AESTHETIC_SCORE = 6.0
AESTHETIC_SCORE_NEGATIVE = 2.5


def vector(entry: Cond, *, refines: bool, width_px: int, height_px: int, negative: bool) -> Tensor:
    """float32[batch, pooled width + 256 for each number]; ``refines``: as the refiner reads it, with a score.

    ``width_px`` and ``height_px``: the picture's size, which stands in where ``entry.size`` does not say. ``negative``:
    whether the entry is part of a negative prompt (the refiner's default score is lower there).
    """
    if entry.pooled is None:
        raise InputInvalid(
            "this conditioning has no pooled part, which SDXL models need",
            remedy="encode the prompt with the CLIP of an SDXL checkpoint",
        )
    size = entry.size
    width, height = size.get("width", width_px), size.get("height", height_px)
    numbers = [height, width, size.get("crop_h", 0.0), size.get("crop_w", 0.0)]
    if refines:
        default = AESTHETIC_SCORE_NEGATIVE if negative else AESTHETIC_SCORE
        numbers.append(size.get("aesthetic_score", default))
    else:
        numbers += [size.get("target_height", height), size.get("target_width", width)]
    waves = get_timestep_embedding(
        torch.tensor(numbers, dtype=torch.float32), NUMBER_WIDTH, flip_sin_to_cos=True, downscale_freq_shift=0
    )
    pooled = entry.pooled.float()
    return torch.cat([pooled, waves.flatten().to(pooled.device).expand(pooled.shape[0], -1)], dim=-1)
