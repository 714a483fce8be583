"""Where the tensors of a Lumina 2 file are in diffusers' module."""

from __future__ import annotations

from nodes.diffusion.name_map import NameMap, by_table, whole
from nodes.families.marks import Shapes

_BLOCK = {
    "attention.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "attention.out": ("attn.to_out.0",),
    "attention.q_norm": ("attn.norm_q",),
    "attention.k_norm": ("attn.norm_k",),
    "feed_forward.w1": ("feed_forward.linear_1",),
    "feed_forward.w2": ("feed_forward.linear_2",),
    "feed_forward.w3": ("feed_forward.linear_3",),
    "attention_norm2": ("norm2",),
    "ffn_norm1": ("ffn_norm1",),
    "ffn_norm2": ("ffn_norm2",),
}
# Blocks that time modulates have the modulation in their first norm.
_PLAIN = {**_BLOCK, "attention_norm1": ("norm1",)}
_MODULATED = {**_BLOCK, "attention_norm1": ("norm1.norm",), "adaLN_modulation.1": ("norm1.linear",)}
_ELSEWHERE = {
    "x_embedder": ("x_embedder",),
    "cap_embedder.0": ("time_caption_embed.caption_embedder.0",),
    "cap_embedder.1": ("time_caption_embed.caption_embedder.1",),
    "t_embedder.mlp.0": ("time_caption_embed.timestep_embedder.linear_1",),
    "t_embedder.mlp.2": ("time_caption_embed.timestep_embedder.linear_2",),
    "final_layer.linear": ("norm_out.linear_2",),
    "final_layer.adaLN_modulation.1": ("norm_out.linear_1",),
}
_STACKS = {"context_refiner": _PLAIN, "noise_refiner": _MODULATED, "layers": _MODULATED}
_TABLE = _ELSEWHERE | {
    f"{stack}.{{}}.{name}": tuple(f"{stack}.{{}}.{module}" for module in modules)
    for stack, block in _STACKS.items()
    for name, modules in block.items()
}


def name_map(shapes: Shapes) -> NameMap:
    """The published file's names, with fused queries, keys and values, and diffusers' own."""
    return NameMap(native=by_table(_TABLE, shapes), others=whole((name, name) for name in shapes))
