"""Z-Image, base and Turbo."""

from __future__ import annotations

from nodes.families.family import EncoderKind, Family, PatchKind, TextSet
from nodes.families.flux import SPACE
from nodes.families.marks import Marks

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
