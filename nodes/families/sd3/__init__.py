"""Stable Diffusion 3 and 3.5: medium, large and large turbo."""

from __future__ import annotations

from itertools import combinations

from nodes.families.family import ControlKind, Family, TextSet
from nodes.families.marks import Marks
from nodes.latent_space import LatentSpace

SPACE = LatentSpace(
    channels=16,
    scale=1.5305,
    shift=0.0609,
    rgb_factors=(
        (-0.0922, -0.0175, 0.0749),
        (0.0311, 0.0633, 0.0954),
        (0.1994, 0.0927, 0.0458),
        (0.0856, 0.0339, 0.0902),
        (0.0587, 0.0272, -0.0496),
        (-0.0006, 0.1104, 0.0309),
        (0.0978, 0.0306, 0.0427),
        (-0.0042, 0.1038, 0.1358),
        (-0.0194, 0.0020, 0.0669),
        (-0.0488, 0.0130, -0.0268),
        (0.0922, 0.0988, 0.0951),
        (-0.0278, 0.0524, -0.0542),
        (0.0332, 0.0456, 0.0895),
        (-0.0069, -0.0030, -0.0810),
        (-0.0596, -0.0465, -0.0293),
        (-0.1448, -0.1463, -0.1189),
    ),
    rgb_bias=(0.2394, 0.2135, 0.1925),
    approx_decoder="taesd3_decoder",
)

ENCODERS = ("clip_l", "clip_g", "t5xxl")


def _text_sets() -> tuple[TextSet, ...]:
    """All encoders, or any of them: what is left out is taken for empty. Other families read some of these sets too."""
    parts = [part for count in (3, 2, 1) for part in combinations(ENCODERS, count)]
    prefixes = {kind: (f"text_encoders.{kind}.transformer.",) for kind in ENCODERS}
    only_here = {("clip_g", "t5xxl"), ENCODERS}
    return tuple(
        TextSet("sd3_" + "_".join(part), part, () if part in only_here else ("sd3",), prefixes) for part in parts
    )


CONTROL = ControlKind(
    "sd35_controlnet",
    "ControlNet of Stable Diffusion 3.5 by Stability AI",
    (
        Marks(
            (
                "transformer_blocks.0.adaLN_modulation.1.bias",
                "pos_embed_input.proj.weight",
                "controlnet_blocks.0.weight",
            )
        ),
    ),
    "nodes.families.sd3.control",
)

FAMILY = Family(
    name="sd3",
    title="Stable Diffusion 3",
    package=__name__,
    marks=(
        Marks(("joint_blocks.0.context_block.attn.qkv.weight", "final_layer.linear.weight")),
        Marks(("transformer_blocks.0.attn.add_q_proj.weight", "pos_embed.proj.weight", "proj_out.weight")),
    ),
    space=SPACE,
    texts=_text_sets(),
    controls=(CONTROL,),
)
