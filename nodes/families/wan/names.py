"""Wan's files have their authors' names (https://github.com/Wan-Video/Wan2.1), the network diffusers'."""

from __future__ import annotations

from nodes.diffusion.name_map import NameMap, Table, by_table, whole
from nodes.families.marks import Shapes

_BLOCK = {
    "self_attn.q": "attn1.to_q",
    "self_attn.k": "attn1.to_k",
    "self_attn.v": "attn1.to_v",
    "self_attn.o": "attn1.to_out.0",
    "self_attn.norm_q": "attn1.norm_q",
    "self_attn.norm_k": "attn1.norm_k",
    "cross_attn.q": "attn2.to_q",
    "cross_attn.k": "attn2.to_k",
    "cross_attn.v": "attn2.to_v",
    "cross_attn.o": "attn2.to_out.0",
    "cross_attn.norm_q": "attn2.norm_q",
    "cross_attn.norm_k": "attn2.norm_k",
    "cross_attn.k_img": "attn2.add_k_proj",
    "cross_attn.v_img": "attn2.add_v_proj",
    "cross_attn.norm_k_img": "attn2.norm_added_k",
    "norm3": "norm2",
    "ffn.0": "ffn.net.0.proj",
    "ffn.2": "ffn.net.2",
    "modulation": "scale_shift_table",
}
_TABLE: Table = {
    "text_embedding.0": ("condition_embedder.text_embedder.linear_1",),
    "text_embedding.2": ("condition_embedder.text_embedder.linear_2",),
    "time_embedding.0": ("condition_embedder.time_embedder.linear_1",),
    "time_embedding.2": ("condition_embedder.time_embedder.linear_2",),
    "time_projection.1": ("condition_embedder.time_proj",),
    "img_emb.proj.0": ("condition_embedder.image_embedder.norm1",),
    "img_emb.proj.1": ("condition_embedder.image_embedder.ff.net.0.proj",),
    "img_emb.proj.3": ("condition_embedder.image_embedder.ff.net.2",),
    "img_emb.proj.4": ("condition_embedder.image_embedder.norm2",),
    "img_emb.emb_pos": ("condition_embedder.image_embedder.pos_embed",),
    "head.head": ("proj_out",),
    **{f"face_encoder.{each}.conv": (f"face_encoder.{each}",) for each in ("conv1_local", "conv2", "conv3")},
    "face_adapter.fuser_blocks.{}.linear1_kv": ("face_adapter.{}.to_k", "face_adapter.{}.to_v"),
    "face_adapter.fuser_blocks.{}.linear1_q": ("face_adapter.{}.to_q",),
    "face_adapter.fuser_blocks.{}.linear2": ("face_adapter.{}.to_out",),
    "face_adapter.fuser_blocks.{}.q_norm": ("face_adapter.{}.norm_q",),
    "face_adapter.fuser_blocks.{}.k_norm": ("face_adapter.{}.norm_k",),
    "head.modulation": ("scale_shift_table",),
    **{
        f"{blocks}.{{}}.{file}": (f"{blocks}.{{}}.{module}",)
        for blocks in ("blocks", "vace_blocks")
        for file, module in _BLOCK.items()
    },
}


def name_map(shapes: Shapes) -> NameMap:
    """Each parameter by its author's name; what diffusers does not have keeps its own."""
    known = by_table(_TABLE, shapes)
    named = {span.parameter for spans in known.values() for span in spans}
    return NameMap(native=known | whole((name, name) for name in shapes if name not in named))
