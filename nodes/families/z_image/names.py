"""Where the tensors of a Z-Image file are in diffusers' module."""

from __future__ import annotations

from nodes.diffusion.name_map import NameMap, by_table, whole
from nodes.families.marks import Shapes

_BLOCK = {
    "attention.qkv": ("attention.to_q", "attention.to_k", "attention.to_v"),
    "attention.out": ("attention.to_out.0",),
    "attention.q_norm": ("attention.norm_q",),
    "attention.k_norm": ("attention.norm_k",),
    "feed_forward.w1": ("feed_forward.w1",),
    "feed_forward.w2": ("feed_forward.w2",),
    "feed_forward.w3": ("feed_forward.w3",),
    "attention_norm1": ("attention_norm1",),
    "attention_norm2": ("attention_norm2",),
    "ffn_norm1": ("ffn_norm1",),
    "ffn_norm2": ("ffn_norm2",),
    "adaLN_modulation.0": ("adaLN_modulation.0",),
}
_ELSEWHERE = {
    "x_embedder": ("all_x_embedder.2-1",),
    "x_pad_token": ("x_pad_token",),
    "cap_pad_token": ("cap_pad_token",),
    "cap_embedder.0": ("cap_embedder.0",),
    "cap_embedder.1": ("cap_embedder.1",),
    "t_embedder.mlp.0": ("t_embedder.mlp.0",),
    "t_embedder.mlp.2": ("t_embedder.mlp.2",),
    "final_layer.linear": ("all_final_layer.2-1.linear",),
    "final_layer.adaLN_modulation.1": ("all_final_layer.2-1.adaLN_modulation.1",),
}
_TABLE = _ELSEWHERE | {
    f"{stack}.{{}}.{name}": tuple(f"{stack}.{{}}.{module}" for module in modules)
    for stack in ("noise_refiner", "context_refiner", "layers")
    for name, modules in _BLOCK.items()
}


def name_map(shapes: Shapes) -> NameMap:
    """The published file's names, with fused queries, keys and values, and diffusers' own."""
    return NameMap(native=by_table(_TABLE, shapes), others=whole((name, name) for name in shapes))
