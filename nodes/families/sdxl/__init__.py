"""Stable Diffusion XL: the base model, its refiner and its distillations."""

from __future__ import annotations

from nodes.families.clip_marks import is_clip
from nodes.families.family import EncoderKind, Family, TextSet
from nodes.families.marks import Marks
from nodes.families.sd import CONTROL, UNET_HOOKS, tells_sizes
from nodes.latent_space import LatentSpace

SPACE = LatentSpace(
    channels=4,
    scale=0.13025,
    rgb_factors=(
        (0.3651, 0.4232, 0.4341),
        (-0.2533, -0.0042, 0.1068),
        (0.1076, 0.1111, -0.0362),
        (-0.3165, -0.2492, -0.2188),
    ),
    rgb_bias=(0.1084, -0.0175, -0.0011),
    approx_decoder="taesdxl_decoder",
)

FAMILY = Family(
    name="sdxl",
    title="Stable Diffusion XL",
    package=__name__,
    marks=(
        Marks(("input_blocks.0.0.weight", "time_embed.0.weight", "label_emb.0.0.weight"), CONTROL, tells_sizes),
        Marks(
            ("conv_in.weight", "down_blocks.0.resnets.0.conv1.weight", "add_embedding.linear_1.weight"),
            CONTROL,
        ),
    ),
    space=SPACE,
    texts=(
        TextSet(
            "sdxl",
            ("clip_l", "clip_g"),
            prefixes={
                "clip_l": ("conditioner.embedders.0.transformer.",),
                "clip_g": ("conditioner.embedders.1.model.",),
            },
        ),
        TextSet("sdxl_refiner", ("clip_g",), prefixes={"clip_g": ("conditioner.embedders.0.model.",)}),
    ),
    hooks=UNET_HOOKS,
    encoders=(
        EncoderKind("clip_g", "OpenCLIP bigG", (Marks(test=is_clip("clip_g")),), "nodes.diffusion.text.clip_model"),
    ),
)
