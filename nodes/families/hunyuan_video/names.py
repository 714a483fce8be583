"""HunyuanVideo's files have Tencent's names, or those that ComfyUI gave them; the network has diffusers'."""

from __future__ import annotations

from nodes.diffusion.name_map import NameMap, by_table, swapped_halves, whole
from nodes.families.marks import Shapes

_DOUBLE: dict[str, tuple[str, ...]] = {
    "img_mod.linear": ("norm1.linear",),
    "txt_mod.linear": ("norm1_context.linear",),
    "img_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn_q_norm": ("attn.norm_q",),
    "img_attn_k_norm": ("attn.norm_k",),
    "txt_attn_q_norm": ("attn.norm_added_q",),
    "txt_attn_k_norm": ("attn.norm_added_k",),
    "img_attn_proj": ("attn.to_out.0",),
    "txt_attn_proj": ("attn.to_add_out",),
    "img_mlp.fc1": ("ff.net.0.proj",),
    "img_mlp.fc2": ("ff.net.2",),
    "txt_mlp.fc1": ("ff_context.net.0.proj",),
    "txt_mlp.fc2": ("ff_context.net.2",),
}
_SINGLE: dict[str, tuple[str, ...]] = {
    "modulation.linear": ("norm.linear",),
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "q_norm": ("attn.norm_q",),
    "k_norm": ("attn.norm_k",),
}
_REFINER: dict[str, tuple[str, ...]] = {
    "norm1": ("norm1",),
    "norm2": ("norm2",),
    "self_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "self_attn_proj": ("attn.to_out.0",),
    "mlp.fc1": ("ff.net.0.proj",),
    "mlp.fc2": ("ff.net.2",),
    "adaLN_modulation.1": ("norm_out.linear",),
}
_CONTEXT = "context_embedder."
_ROOT: dict[str, tuple[str, ...]] = {
    "img_in.proj": ("x_embedder.proj",),
    "time_in.mlp.0": ("time_text_embed.timestep_embedder.linear_1",),
    "time_in.mlp.2": ("time_text_embed.timestep_embedder.linear_2",),
    "vector_in.in_layer": ("time_text_embed.text_embedder.linear_1",),
    "vector_in.out_layer": ("time_text_embed.text_embedder.linear_2",),
    "guidance_in.mlp.0": ("time_text_embed.guidance_embedder.linear_1",),
    "guidance_in.mlp.2": ("time_text_embed.guidance_embedder.linear_2",),
    "txt_in.input_embedder": (_CONTEXT + "proj_in",),
    "txt_in.t_embedder.mlp.0": (_CONTEXT + "time_text_embed.timestep_embedder.linear_1",),
    "txt_in.t_embedder.mlp.2": (_CONTEXT + "time_text_embed.timestep_embedder.linear_2",),
    "txt_in.c_embedder.linear_1": (_CONTEXT + "time_text_embed.text_embedder.linear_1",),
    "txt_in.c_embedder.linear_2": (_CONTEXT + "time_text_embed.text_embedder.linear_2",),
    "final_layer.linear": ("proj_out",),
}
_TABLE = {
    **_ROOT,
    **{f"double_blocks.{{}}.{file}": tuple(f"transformer_blocks.{{}}.{part}" for part in parts)
       for file, parts in _DOUBLE.items()},
    **{f"single_blocks.{{}}.{file}": tuple(f"single_transformer_blocks.{{}}.{part}" for part in parts)
       for file, parts in _SINGLE.items()},
    **{f"txt_in.individual_token_refiner.blocks.{{}}.{file}":
       tuple(f"{_CONTEXT}token_refiner.refiner_blocks.{{}}.{part}" for part in parts)
       for file, parts in _REFINER.items()},
}  # fmt: skip

# What ComfyUI calls parts of Tencent's, in the order in which it renames them.
COMFY = (
    ("txt_in.t_embedder.mlp.0.", "txt_in.t_embedder.in_layer."),
    ("txt_in.t_embedder.mlp.2.", "txt_in.t_embedder.out_layer."),
    ("txt_in.c_embedder.linear_1.", "txt_in.c_embedder.in_layer."),
    ("txt_in.c_embedder.linear_2.", "txt_in.c_embedder.out_layer."),
    ("_mod.linear.", "_mod.lin."),
    ("_attn_qkv.", "_attn.qkv."),
    ("mlp.fc1.", "mlp.0."),
    ("mlp.fc2.", "mlp.2."),
    ("_attn_q_norm.weight", "_attn.norm.query_norm.weight"),
    ("_attn_k_norm.weight", "_attn.norm.key_norm.weight"),
    (".q_norm.weight", ".norm.query_norm.weight"),
    (".k_norm.weight", ".norm.key_norm.weight"),
    ("_attn_proj.", "_attn.proj."),
    (".modulation.linear.", ".modulation.lin."),
    ("_in.mlp.2.", "_in.out_layer."),
    ("_in.mlp.0.", "_in.in_layer."),
)


def name_map(shapes: Shapes) -> NameMap:
    """Tencent's names; ComfyUI's, and diffusers' own, beside them."""
    native = by_table(_TABLE, shapes) | swapped_halves("final_layer.adaLN_modulation.1", "norm_out.linear", shapes)
    named = {span.parameter for spans in native.values() for span in spans}
    native |= whole((name, name) for name in shapes if name not in named)
    return NameMap(native, others={comfy_name(name): spans for name, spans in native.items()})


def comfy_name(name: str) -> str:
    """What ComfyUI calls the tensor that Tencent's files call ``name``."""
    for old, new in COMFY:
        name = name.replace(old, new)
    return name
