"""Qwen-Image: 1, Edit, Edit Plus (2509), Edit 2511 and Layered."""

from __future__ import annotations

from nodes.families.family import ControlKind, EncoderKind, Family, PatchKind, TextSet, VaeKind
from nodes.families.marks import Marks
from nodes.latent_space import LatentSpace

QWEN25_VL = EncoderKind(
    "qwen25_vl",
    "Qwen2.5-VL",
    (Marks(("model.embed_tokens.weight", "model.layers.0.self_attn.k_proj.bias")),),
    "nodes.diffusion.language.qwen25_vl",
)

WAN_VAE = VaeKind(
    "wan21",
    "Wan 2.1 and Qwen-Image VAE",
    (Marks(("decoder.middle.0.residual.0.gamma",), ("decoder.upsamples.0.upsamples.0.residual.2.weight",)),),
    "nodes.families.qwen_image.vae",
)

SPACE = LatentSpace(
    channels=16,
    dims=3,
    factors=(4, 8, 8),
    means=(-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
           0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921),
    deviations=(2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
                3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160),
    rgb_factors=(
        (-0.1299, -0.1692, 0.2932),
        (0.0671, 0.0406, 0.0442),
        (0.3568, 0.2548, 0.1747),
        (0.0372, 0.2344, 0.1420),
        (0.0313, 0.0189, -0.0328),
        (0.0296, -0.0956, -0.0665),
        (-0.3477, -0.4059, -0.2925),
        (0.0166, 0.1902, 0.1975),
        (-0.0412, 0.0267, -0.1364),
        (-0.1293, 0.0740, 0.1636),
        (0.0680, 0.3019, 0.1128),
        (0.0032, 0.0581, 0.0639),
        (-0.1251, 0.0927, 0.1699),
        (0.0060, -0.0633, 0.0005),
        (0.3477, 0.2275, 0.2950),
        (0.1984, 0.0913, 0.1861),
    ),
    rgb_bias=(-0.1835, -0.0868, -0.3360),
    approx_decoder="lighttaew2_1",
)  # fmt: skip
"""Of the Wan 2.1 VAE, which Qwen-Image uses for single pictures."""

CONTROL = ControlKind(
    "qwen_instantx",
    "ControlNet of Qwen-Image by InstantX",
    (Marks(("controlnet_x_embedder.weight", "controlnet_blocks.0.weight", "txt_norm.weight")),),
    "nodes.families.qwen_image.control",
)

BLOCKWISE = PatchKind(
    "qwen_blockwise",
    "ControlNet of Qwen-Image by DiffSynth",
    (Marks(("controlnet_blocks.0.y_rms.weight", "img_in.weight")),),
    "nodes.families.qwen_image.blockwise",
)

FAMILY = Family(
    name="qwen_image",
    title="Qwen-Image",
    package=__name__,
    marks=(
        Marks(
            (
                "txt_norm.weight",
                "transformer_blocks.0.attn.norm_added_q.weight",
                "time_text_embed.timestep_embedder.linear_1.weight",
            ),
            ("controlnet_x_embedder.weight",),
        ),
    ),
    space=SPACE,
    texts=(TextSet("qwen_image", ("qwen25_vl",), prefixes={"qwen25_vl": ("text_encoders.qwen25_7b.transformer.",)}),),
    encoders=(QWEN25_VL,),
    vaes=(WAN_VAE,),
    controls=(CONTROL,),
    patches=(BLOCKWISE,),
)
