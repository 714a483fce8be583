"""Where the tensors of a Flux.2 file are in diffusers' module."""

from __future__ import annotations

from nodes.diffusion.name_map import NameMap, Span, by_table, whole
from nodes.families.marks import Shapes

_ELSEWHERE = {
    "img_in": ("x_embedder",),
    "txt_in": ("context_embedder",),
    "time_in.in_layer": ("time_guidance_embed.timestep_embedder.linear_1",),
    "time_in.out_layer": ("time_guidance_embed.timestep_embedder.linear_2",),
    "guidance_in.in_layer": ("time_guidance_embed.guidance_embedder.linear_1",),
    "guidance_in.out_layer": ("time_guidance_embed.guidance_embedder.linear_2",),
    "double_stream_modulation_img.lin": ("double_stream_modulation_img.linear",),
    "double_stream_modulation_txt.lin": ("double_stream_modulation_txt.linear",),
    "single_stream_modulation.lin": ("single_stream_modulation.linear",),
    "final_layer.linear": ("proj_out",),
    "final_layer.adaLN_modulation.1": ("norm_out.linear",),
}
_DOUBLE = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "img_attn.proj": ("attn.to_out.0",),
    "img_mlp.0": ("ff.linear_in",),
    "img_mlp.2": ("ff.linear_out",),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "txt_attn.proj": ("attn.to_add_out",),
    "txt_mlp.0": ("ff_context.linear_in",),
    "txt_mlp.2": ("ff_context.linear_out",),
}
_SINGLE = {"linear1": ("attn.to_qkv_mlp_proj",), "linear2": ("attn.to_out",)}
_DOUBLE_NORMS = {
    "img_attn.norm.query_norm.scale": "attn.norm_q.weight",
    "img_attn.norm.key_norm.scale": "attn.norm_k.weight",
    "txt_attn.norm.query_norm.scale": "attn.norm_added_q.weight",
    "txt_attn.norm.key_norm.scale": "attn.norm_added_k.weight",
}
_SINGLE_NORMS = {"norm.query_norm.scale": "attn.norm_q.weight", "norm.key_norm.scale": "attn.norm_k.weight"}
_STACKS = (
    ("double_blocks", "transformer_blocks", _DOUBLE, _DOUBLE_NORMS),
    ("single_blocks", "single_transformer_blocks", _SINGLE, _SINGLE_NORMS),
)
_TABLE = _ELSEWHERE | {
    f"{file}.{{}}.{name}": tuple(f"{stack}.{{}}.{module}" for module in modules)
    for file, stack, block, norms in _STACKS
    for name, modules in {**block, **{name: (module,) for name, module in norms.items()}}.items()
}
_LAST = "norm_out.linear.weight"


def name_map(shapes: Shapes) -> NameMap:
    """The published file's names, with fused queries, keys and values, and diffusers' own.

    diffusers' last modulation has scale and shift the other way round.
    """
    others = whole((name, name) for name in shapes if name != _LAST)
    half = shapes[_LAST][0] // 2
    turned = (Span(_LAST, (half, 2 * half), (0, half)), Span(_LAST, (0, half), (half, 2 * half)))
    return NameMap(native=by_table(_TABLE, shapes), others={**others, _LAST: turned})
