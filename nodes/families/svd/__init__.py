"""Stable Video Diffusion (arXiv:2311.15127): a picture becomes a short film, whose frames are one batch."""

from __future__ import annotations

from nodes.families.family import Family, VaeKind
from nodes.families.marks import Marks, Shapes, holds
from nodes.families.sd import SPACE

VISION = "conditioner.embedders.0.open_clip.model.visual."
"""Where the encoder of pictures is in a checkpoint."""
IDS = 3
"""Numbers beside the picture: frames per second, motion, noise."""
WAVES = 256

VAE = VaeKind(
    "svd",
    "Stable Video Diffusion VAE",
    (Marks(("decoder.mid.block_1.mix_factor", "decoder.conv_out.time_mix_conv.weight")),),
    "nodes.families.svd.vae",
    together=True,
)


def _of_films(shapes: Shapes) -> bool:
    """Whether a UNet mixes frames, and is told three numbers of the film."""
    return holds(".time_stack.")(shapes) and shapes["label_emb.0.0.weight"][1] == IDS * WAVES


FAMILY = Family(
    name="svd",
    title="Stable Video Diffusion",
    package=__name__,
    marks=(Marks(("input_blocks.0.0.weight", "time_embed.0.weight", "label_emb.0.0.weight"), test=_of_films),),
    space=SPACE,
    hooks=(),
    side_px=576,
    vaes=(VAE,),
)
