"""LTX-2 and 2.3 (https://github.com/Lightricks/LTX-2): films with their sound, denoised together."""

from __future__ import annotations

from nodes.families.family import EncoderKind, Family, TextSet, VaeKind
from nodes.families.ltx2.spaces import SPACE
from nodes.families.marks import Marks, Shapes

GEMMA3 = EncoderKind(
    "gemma3",
    "Gemma 3",
    (
        Marks(
            (
                "model.embed_tokens.weight",
                "model.layers.0.post_feedforward_layernorm.weight",
                "model.layers.0.self_attn.q_norm.weight",
            )
        ),
    ),
    "nodes.diffusion.language.gemma3",
)


def _has_projection(shapes: Shapes) -> bool:
    return any(f"{PROJECTION_PREFIX}{name}" in shapes for name in ("aggregate_embed.weight", _OF_FILMS))


PROJECTION_PREFIX = "text_embedding_projection."
_OF_FILMS = "video_aggregate_embed.weight"
PROJECTION = EncoderKind(
    "ltx2_projection",
    "LTX-2 text projection",
    (Marks(test=_has_projection),),
    "nodes.families.ltx2.projection",
)

SOUND_VAE = VaeKind(
    "ltx2_sound",
    "LTX-2 sound VAE",
    (Marks(("audio_vae.decoder.conv_in.conv.weight", "vocoder.conv_pre.weight")),),
    "nodes.families.ltx2.sound_vae",
)

FAMILY = Family(
    name="ltx2",
    title="LTX-2",
    package=__name__,
    marks=(Marks(("adaln_single.emb.timestep_embedder.linear_1.bias", "audio_adaln_single.linear.weight")),),
    space=SPACE,
    texts=(TextSet("ltx2", ("gemma3", "ltx2_projection"), ("ltxv",)),),
    side_px=768,
    encoders=(GEMMA3, PROJECTION),
    vaes=(SOUND_VAE,),
)
