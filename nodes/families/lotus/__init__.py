"""Lotus: depth and normals of a picture in one pass through Stable Diffusion 2's UNet (arXiv:2409.18124)."""

from __future__ import annotations

from nodes.families.family import Family
from nodes.families.marks import Marks
from nodes.families.sd import CONTROL, SPACE, UNET_HOOKS, tells_tasks

FAMILY = Family(
    name="lotus",
    title="Lotus",
    package=__name__,
    marks=(
        Marks(("input_blocks.0.0.weight", "time_embed.0.weight", "label_emb.0.0.weight"), CONTROL, tells_tasks),
        Marks(("conv_in.weight", "class_embedding.linear_1.weight"), CONTROL, tells_tasks),
    ),
    space=SPACE,
    hooks=UNET_HOOKS,
)
