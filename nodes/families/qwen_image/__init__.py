"""Qwen-Image: 1, Edit, Edit Plus (2509), Edit 2511 and Layered."""

from __future__ import annotations

from nodes.families.family import ControlKind, EncoderKind, Family, PatchKind, TextSet
from nodes.families.marks import Marks
from nodes.families.wan.spaces import SPACE

QWEN25_VL = EncoderKind(
    "qwen25_vl",
    "Qwen2.5-VL",
    (Marks(("model.embed_tokens.weight", "model.layers.0.self_attn.k_proj.bias")),),
    "nodes.diffusion.language.qwen25_vl",
)

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
    controls=(CONTROL,),
    patches=(BLOCKWISE,),
)
