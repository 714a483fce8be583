"""Chroma: Flux.1's transformer with its modulations computed by one small network; prompts are read by T5 alone."""

from __future__ import annotations

from nodes.families.family import Family, TextSet
from nodes.families.flux import SPACE, has_flux_norms
from nodes.families.marks import Marks

FAMILY = Family(
    name="chroma",
    title="Chroma",
    package=__name__,
    marks=(
        Marks(("img_in.weight", "distilled_guidance_layer.in_proj.weight"), test=has_flux_norms),
        Marks(
            ("x_embedder.weight", "distilled_guidance_layer.in_proj.weight", "transformer_blocks.0.attn.norm_q.weight")
        ),
    ),
    space=SPACE,
    texts=(TextSet("chroma", ("t5xxl",), ("chroma", "pixart"), {"t5xxl": ("text_encoders.t5xxl.transformer.",)}),),
)
