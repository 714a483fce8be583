"""LTX-Video 0.9.0 to 0.9.8 (arXiv:2501.00103): films from text, from pictures and between guides."""

from __future__ import annotations

from nodes.families.family import Family, TextSet, VaeKind
from nodes.families.ltx.spaces import SPACE
from nodes.families.marks import Marks

VAE = VaeKind(
    "ltx",
    "LTX-Video VAE",
    (Marks(("decoder.up_blocks.0.res_blocks.0.conv1.conv.weight", "per_channel_statistics.std-of-means")),),
    "nodes.families.ltx.vae",
    draws=True,
)

FAMILY = Family(
    name="ltx",
    title="LTX-Video",
    package=__name__,
    marks=(
        Marks(
            ("adaln_single.emb.timestep_embedder.linear_1.bias", "patchify_proj.weight"),
            ("audio_adaln_single.linear.weight", "pos_embed.proj.bias"),
        ),
    ),
    space=SPACE,
    texts=(TextSet("ltx", ("t5xxl",), ("ltxv",), {"t5xxl": ("text_encoders.t5xxl.transformer.",)}),),
    side_px=768,
    vaes=(VAE,),
)
