"""ACE-Step 1.5: songs from tags and lyrics, by codes that a language model writes; https://github.com/ace-step/ACE-Step-1.5."""

from __future__ import annotations

from nodes.families.family import EncoderKind, Family, TextSet, VaeKind
from nodes.families.marks import Marks, Shapes
from nodes.latent_space import LatentSpace

SPACE = LatentSpace(channels=64, dims=1, factors=(1, 1, 1920))
"""A cell stands for 1,920 samples at 48 kHz."""

FIRST_CODE, CODES = 151669, 64000
"""Tokens that the language model has for sounds, after those for text."""

_TABLE = "model.embed_tokens.weight"


def _has_codes(shapes: Shapes) -> bool:
    return shapes[_TABLE][0] >= FIRST_CODE + CODES


WRITER = EncoderKind(
    "ace_codes",
    "Qwen3 with ACE-Step's codes",
    (Marks((_TABLE, "model.layers.0.self_attn.q_norm.weight"), test=_has_codes),),
    "nodes.diffusion.language.qwen3",
)

OOBLECK = VaeKind(
    "oobleck",
    "Oobleck",
    (Marks(("decoder.layers.1.layers.0.beta", "decoder.layers.1.layers.0.alpha")),),
    "nodes.families.ace_step15.vae",
)

FAMILY = Family(
    name="ace_step15",
    title="ACE-Step 1.5",
    package=__name__,
    marks=(Marks(("encoder.lyric_encoder.layers.0.input_layernorm.weight", "decoder.condition_embedder.weight")),),
    space=SPACE,
    texts=(
        TextSet(
            "ace_step15",
            ("qwen3", "ace_codes"),
            prefixes={
                "qwen3": ("text_encoders.qwen3_06b.transformer.",),
                "ace_codes": ("text_encoders.qwen3_2b.transformer.", "text_encoders.qwen3_4b.transformer."),
            },
        ),
    ),
    hooks=(),
    encoders=(WRITER,),
    vaes=(OOBLECK,),
)
