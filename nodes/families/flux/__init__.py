"""Flux.1: dev, schnell, Krea, Fill, Kontext, Redux, Canny and Depth."""

from __future__ import annotations

from nodes.families.family import ControlKind, EncoderKind, Family, TextSet
from nodes.families.marks import Marks, Shapes
from nodes.latent_space import LatentSpace

SPACE = LatentSpace(
    channels=16,
    scale=0.3611,
    shift=0.1159,
    rgb_factors=(
        (-0.0346, 0.0244, 0.0681),
        (0.0034, 0.0210, 0.0687),
        (0.0275, -0.0668, -0.0433),
        (-0.0174, 0.0160, 0.0617),
        (0.0859, 0.0721, 0.0329),
        (0.0004, 0.0383, 0.0115),
        (0.0405, 0.0861, 0.0915),
        (-0.0236, -0.0185, -0.0259),
        (-0.0245, 0.0250, 0.1180),
        (0.1008, 0.0755, -0.0421),
        (-0.0515, 0.0201, 0.0011),
        (0.0428, -0.0012, -0.0036),
        (0.0817, 0.0765, 0.0749),
        (-0.1264, -0.0522, -0.1103),
        (-0.0280, -0.0881, -0.0499),
        (-0.1262, -0.0982, -0.0778),
    ),
    rgb_bias=(-0.0329, -0.0718, -0.0851),
    approx_decoder="taef1_decoder",
)

T5_MARK = "encoder.block.0.layer.1.DenseReluDense.wi_1.weight"
# Which has a bias of places in each layer.
UMT5_MARK = "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight"


def has_flux_norms(shapes: Shapes) -> bool:
    """Whether the double blocks' norms are there, under either of their names."""
    norm = "double_blocks.0.img_attn.norm.key_norm."
    return any(norm + leaf in shapes for leaf in ("scale", "weight"))


FEW_ROWS = 2000
"""More than ByT5's table has, and fewer than any of words."""


def _is_of_words(shapes: Shapes) -> bool:
    return shapes.get("shared.weight", (FEW_ROWS,))[0] >= FEW_ROWS


CONTROL = ControlKind(
    "flux_controlnet",
    "ControlNet of Flux.1",
    (
        Marks(
            ("controlnet_x_embedder.weight", "controlnet_blocks.0.weight", "context_embedder.weight"),
            ("transformer_blocks.0.img_mlp.net.0.proj.weight",),
        ),
    ),
    "nodes.families.flux.control",
)
PIXEL_CONTROL = ControlKind(
    "flux_xlabs",
    "ControlNet of Flux.1 by XLabs",
    (Marks(("input_hint_block.0.weight", "controlnet_blocks.0.weight"), test=has_flux_norms),),
    "nodes.families.flux.control",
)

FAMILY = Family(
    name="flux",
    title="Flux.1",
    package=__name__,
    marks=(
        Marks(
            ("img_in.weight", "vector_in.in_layer.weight"),
            (
                "double_stream_modulation_img.lin.weight",
                "controlnet_blocks.0.weight",
                "distilled_guidance_layer.in_proj.weight",
            ),
            has_flux_norms,
        ),
        Marks(
            (
                "x_embedder.weight",
                "single_transformer_blocks.0.attn.norm_k.weight",
                "time_text_embed.text_embedder.linear_1.weight",
            ),
            ("controlnet_x_embedder.weight", "controlnet_blocks.0.weight"),
        ),
    ),
    space=SPACE,
    texts=(
        TextSet(
            "flux",
            ("clip_l", "t5xxl"),
            types=("flux",),
            prefixes={
                "clip_l": ("text_encoders.clip_l.transformer.",),
                "t5xxl": ("text_encoders.t5xxl.transformer.",),
            },
        ),
    ),
    encoders=(
        EncoderKind("t5xxl", "T5-XXL", (Marks((T5_MARK,), (UMT5_MARK,), _is_of_words),), "nodes.diffusion.text.t5"),
    ),
    controls=(CONTROL, PIXEL_CONTROL),
)
