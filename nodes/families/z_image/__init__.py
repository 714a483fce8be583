"""Z-Image, base and Turbo."""

from __future__ import annotations

from nodes.families.family import EncoderKind, Family, PatchKind, TextSet
from nodes.families.marks import Marks
from nodes.latent_space import LatentSpace

QWEN3 = EncoderKind(
    "qwen3",
    "Qwen3",
    (
        Marks(
            ("model.embed_tokens.weight", "model.layers.0.self_attn.q_norm.weight"),
            ("model.layers.0.post_feedforward_layernorm.weight",),
        ),
    ),
    "nodes.diffusion.language.qwen3",
)

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

FUN_CONTROL = PatchKind(
    "z_image_fun",
    "ControlNet of Z-Image by Alibaba PAI",
    (Marks(("control_all_x_embedder.2-1.weight", "control_layers.0.after_proj.weight")),),
    "nodes.families.z_image.fun_control",
)

FAMILY = Family(
    name="z_image",
    title="Z-Image",
    package=__name__,
    marks=(
        Marks(("cap_embedder.1.weight", "noise_refiner.0.attention.k_norm.weight", "cap_pad_token")),
        Marks(("cap_embedder.1.weight", "noise_refiner.0.attention.norm_k.weight", "cap_pad_token")),
    ),
    space=SPACE,
    texts=(TextSet("z_image", ("qwen3",), prefixes={"qwen3": ("text_encoders.qwen3_4b.transformer.",)}),),
    encoders=(QWEN3,),
    patches=(FUN_CONTROL,),
)
