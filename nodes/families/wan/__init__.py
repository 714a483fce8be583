"""Wan 2.1 and 2.2: from text and pictures, with controls, VACE, camera and faces; both experts of 2.2, its 5B model."""

from __future__ import annotations

from nodes.families.family import EncoderKind, Family, TextSet, VaeKind
from nodes.families.marks import Marks, Shapes
from nodes.families.wan.spaces import SPACE

UMT5 = EncoderKind(
    "umt5",
    "UMT5",
    (
        Marks(
            (
                "encoder.block.0.layer.1.DenseReluDense.wi_1.weight",
                "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight",
            )
        ),
    ),
    "nodes.diffusion.text.umt5",
)

_LATER_VAE = "decoder.upsamples.0.upsamples.0.residual.2.weight"

WAN_VAE = VaeKind(
    "wan21",
    "Wan 2.1 and Qwen-Image VAE",
    (Marks(("decoder.middle.0.residual.0.gamma",), (_LATER_VAE,)),),
    "nodes.families.wan.vae",
)
WAN22_VAE = VaeKind(
    "wan22",
    "Wan 2.2 VAE",
    (Marks(("decoder.middle.0.residual.0.gamma", _LATER_VAE)),),
    "nodes.families.wan.vae",
)

# Networks that were made from Wan's by adding what is not here.
_OTHERS = (
    "audio_proj.",
    "casual_audio_encoder.",
    "patch_embedding_pose.",
    "patch_embedding_global.",
    "img_emb_ref.",
    "action_embedding.",
)


def _is_known(shapes: Shapes) -> bool:
    return not any(name.startswith(_OTHERS) for name in shapes)


FAMILY = Family(
    name="wan",
    title="Wan",
    package=__name__,
    marks=(Marks(("head.modulation", "patch_embedding.weight", "blocks.0.self_attn.q.weight"), test=_is_known),),
    space=SPACE,
    texts=(TextSet("wan", ("umt5",), prefixes={"umt5": ("text_encoders.umt5xxl.transformer.",)}),),
    side_px=480,
    encoders=(UMT5,),
    vaes=(WAN_VAE, WAN22_VAE),
)
