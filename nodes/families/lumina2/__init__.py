"""Lumina-Image 2.0."""

from __future__ import annotations

from nodes.families.family import EncoderKind, Family, TextSet
from nodes.families.flux import SPACE
from nodes.families.marks import Marks

GEMMA2 = EncoderKind(
    "gemma2",
    "Gemma 2",
    (
        Marks(
            ("model.embed_tokens.weight", "model.layers.0.post_feedforward_layernorm.weight"),
            ("model.layers.0.self_attn.q_norm.weight",),
        ),
    ),
    "nodes.diffusion.language.gemma2",
)

FAMILY = Family(
    name="lumina2",
    title="Lumina 2",
    package=__name__,
    marks=(
        Marks(("cap_embedder.1.weight", "noise_refiner.0.attention.k_norm.weight"), ("cap_pad_token",)),
        Marks(
            ("time_caption_embed.caption_embedder.1.weight", "noise_refiner.0.attn.norm_k.weight"),
            ("ref_image_patch_embedder.weight",),
        ),
    ),
    space=SPACE,
    texts=(TextSet("lumina2", ("gemma2",), prefixes={"gemma2": ("text_encoders.gemma2_2b.transformer.",)}),),
    encoders=(GEMMA2,),
)
