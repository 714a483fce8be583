"""Families that no folder is for yet, by the marks of their files: what cannot be loaded is at least named."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.families.marks import Marks, holds


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A family that is not here: ``title`` as people call it."""

    title: str
    marks: tuple[Marks, ...]


def _named(title: str, *names: str) -> Elsewhere:
    return Elsewhere(title, (Marks(names),))


# The more telling marks of a kin come before those that its relatives have too.
ELSEWHERE: tuple[Elsewhere, ...] = (
    _named("Stable Cascade", "clf.1.weight"),
    _named("Stable Audio", "transformer.rotary_pos_emb.inv_freq"),
    _named("AuraFlow", "double_layers.0.attn.w1q.weight"),
    _named("AuraFlow", "joint_transformer_blocks.0.attn.add_k_proj.weight"),
    _named("Hunyuan-DiT", "mlp_t5.0.weight"),
    _named("HunyuanVideo's kin (SkyReels, upscalers)", "txt_in.individual_token_refiner.blocks.0.norm1.weight"),
    _named("Mochi", "t5_yproj.weight"),
    _named("PixArt", "adaln_single.emb.timestep_embedder.linear_1.bias", "pos_embed.proj.bias"),
    _named("PixArt", "t_block.1.weight"),
    _named("ACE-Step", "genre_embedder.weight"),
    _named("Cosmos", "blocks.block0.blocks.0.block.attn.to_q.0.weight"),
    _named("Cosmos Predict 2", "blocks.0.mlp.layer1.weight"),
    _named("CogVideoX", "blocks.0.norm1.linear.weight"),
    _named("SeedVR2", "blocks.31.mlp.all.proj_in_gate.weight"),
    _named("Wan's kin (such as HuMo and SCAIL)", "head.modulation"),
    _named("Hunyuan3D", "latent_in.weight"),
    _named("Hunyuan3D", "t_embedder.mlp.2.weight", "blocks.0.attn1.k_norm.weight"),
    _named("HiDream", "caption_projection.0.linear.weight"),
    _named("HiDream-O1", "t_embedder1.mlp.0.weight", "x_embedder.proj1.weight"),
    _named("OmniGen 2", "time_caption_embed.timestep_embedder.linear_1.bias"),
    _named("Kandinsky 5", "visual_transformer_blocks.0.cross_attention.key_norm.weight"),
    _named("Ideogram 4", "embed_image_indicator.weight"),
    Elsewhere(
        "Stable Video Diffusion's kin (such as SV3D)",
        (Marks(test=holds("time_stack.")), Marks(test=holds("time_mixer"))),
    ),
)
