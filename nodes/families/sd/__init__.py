"""Stable Diffusion 1 and 2, with their inpainting, editing and v-predicting models."""

from __future__ import annotations

from nodes.families.clip_marks import is_clip
from nodes.families.control_kinds import ADAPTER, CONTROLNET, UNION
from nodes.families.family import EncoderKind, Family, TextSet
from nodes.families.marks import Marks, Shapes, holds
from nodes.families.vae_kinds import KL, PIXELS
from nodes.latent_space import LatentSpace

SPACE = LatentSpace(
    channels=4,
    scale=0.18215,
    rgb_factors=(
        (0.3512, 0.2297, 0.3227),
        (0.3250, 0.4974, 0.2350),
        (-0.2829, 0.1762, 0.2721),
        (-0.2120, -0.2616, -0.7177),
    ),
    approx_decoder="taesd_decoder",
)

CONTROL = ("zero_convs.0.0.weight", "controlnet_cond_embedding.conv_in.weight")
"""Names that a UNet's copy in a ControlNet has and the UNet itself has not."""


def of_pictures(shapes: Shapes) -> bool:
    """Whether a UNet has no layers that mix frames."""
    return not holds("time_stack.")(shapes) and not holds("time_mixer")(shapes)


TASKS = 4
"""How wide the vector is that says what Lotus is wanted to do: sines and cosines of two numbers."""


def tells_tasks(shapes: Shapes) -> bool:
    """Whether a UNet's vector beside the prompt says what is wanted, not what sizes pictures have."""
    names = ("label_emb.0.0.weight", "class_embedding.linear_1.weight")
    return any(shapes[name][1:] == (TASKS,) for name in names if name in shapes)


def tells_sizes(shapes: Shapes) -> bool:
    """Whether it says what sizes pictures have; no UNet of films does."""
    return not tells_tasks(shapes) and of_pictures(shapes)


UNET_HOOKS = (
    "self_attention",
    "inner_self_attention",
    "cross_attention",
    "after_input",
    "after_input_skip",
    "after_middle",
    "before_output",
    "deep",
)

FAMILY = Family(
    name="sd",
    title="Stable Diffusion 1 and 2",
    package=__name__,
    marks=(
        Marks(("input_blocks.0.0.weight", "time_embed.0.weight"), ("label_emb.0.0.weight", *CONTROL), of_pictures),
        Marks(
            ("conv_in.weight", "down_blocks.0.resnets.0.conv1.weight", "time_embedding.linear_1.weight"),
            ("add_embedding.linear_1.weight", "class_embedding.linear_1.weight", *CONTROL),
        ),
    ),
    space=SPACE,
    hooks=UNET_HOOKS,
    vaes=(KL, PIXELS),
    controls=(CONTROLNET, UNION, ADAPTER),
    texts=(
        TextSet(
            "sd15",
            ("clip_l",),
            prefixes={"clip_l": ("cond_stage_model.transformer.", "conditioner.embedders.0.transformer.")},
        ),
        TextSet(
            "sd2",
            ("clip_h",),
            prefixes={"clip_h": ("cond_stage_model.model.", "conditioner.embedders.0.model.")},
        ),
    ),
    encoders=(
        EncoderKind("clip_l", "CLIP-L", (Marks(test=is_clip("clip_l")),), "nodes.diffusion.text.clip_model"),
        EncoderKind("clip_h", "OpenCLIP ViT-H", (Marks(test=is_clip("clip_h")),), "nodes.diffusion.text.clip_model"),
    ),
)
