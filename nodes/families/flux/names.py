"""Where the tensors of a Flux.1 file, in its authors' layout, are in diffusers' module."""

from __future__ import annotations

from nodes.diffusion.name_map import NameMap, by_table, swapped_halves, whole
from nodes.families.marks import Shapes

_DOUBLE = "double_blocks.{}.", "transformer_blocks.{}."
_SINGLE = "single_blocks.{}.", "single_transformer_blocks.{}."


def _within(block: tuple[str, str], rows: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    file, module = block
    return {file + name: tuple(module + part for part in parts) for name, parts in rows.items()}


BLOCKS: dict[str, tuple[str, ...]] = {
    **_within(
        _DOUBLE,
        {
            "img_mod.lin": ("norm1.linear",),
            "txt_mod.lin": ("norm1_context.linear",),
            "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
            "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
            "img_attn.norm.query_norm.scale": ("attn.norm_q.weight",),
            "img_attn.norm.key_norm.scale": ("attn.norm_k.weight",),
            "txt_attn.norm.query_norm.scale": ("attn.norm_added_q.weight",),
            "txt_attn.norm.key_norm.scale": ("attn.norm_added_k.weight",),
            "img_attn.proj": ("attn.to_out.0",),
            "txt_attn.proj": ("attn.to_add_out",),
            "img_mlp.0": ("ff.net.0.proj",),
            "img_mlp.2": ("ff.net.2",),
            "txt_mlp.0": ("ff_context.net.0.proj",),
            "txt_mlp.2": ("ff_context.net.2",),
        },
    ),
    **_within(
        _SINGLE,
        {
            "modulation.lin": ("norm.linear",),
            "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
            "linear2": ("proj_out",),
            "norm.query_norm.scale": ("attn.norm_q.weight",),
            "norm.key_norm.scale": ("attn.norm_k.weight",),
        },
    ),
}
"""Modules of the blocks, by the file's names; one that stacks several names them in order."""

EMBEDDERS: dict[str, tuple[str, ...]] = {
    "img_in": ("x_embedder",),
    "txt_in": ("context_embedder",),
    "time_in.in_layer": ("time_text_embed.timestep_embedder.linear_1",),
    "time_in.out_layer": ("time_text_embed.timestep_embedder.linear_2",),
    "vector_in.in_layer": ("time_text_embed.text_embedder.linear_1",),
    "vector_in.out_layer": ("time_text_embed.text_embedder.linear_2",),
    "guidance_in.in_layer": ("time_text_embed.guidance_embedder.linear_1",),
    "guidance_in.out_layer": ("time_text_embed.guidance_embedder.linear_2",),
}
"""Modules of what comes before the blocks, by the file's names."""


ALIASES: dict[str, tuple[str, ...]] = {
    **{
        f"transformer_blocks.{{}}.{part}.{alias}": (f"transformer_blocks.{{}}.{part}.{name}",)
        for part in ("ff", "ff_context")
        for alias, name in (("linear_in", "net.0.proj"), ("linear_out", "net.2"))
    },
    "single_transformer_blocks.{}.attn.to_qkv_mlp_proj": tuple(
        f"single_transformer_blocks.{{}}.{name}" for name in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
    ),
    "single_transformer_blocks.{}.attn.to_out": ("single_transformer_blocks.{}.proj_out",),
}
"""Names that files of diffusers' layout may have instead, as diffusers itself calls these parts of Flux.2."""


def name_map(shapes: Shapes) -> NameMap:
    """The authors' names, with diffusers' own beside them. ``shapes``: of a ``FluxTransformer2DModel``."""
    # The file has the last norm's shift before its scale, diffusers the other way round.
    last = swapped_halves("final_layer.adaLN_modulation.1", "norm_out.linear", shapes)
    return NameMap(
        by_table(BLOCKS | EMBEDDERS | {"final_layer.linear": ("proj_out",)}, shapes) | last,
        others=by_table(ALIASES, shapes) | whole({name: name for name in shapes}),
        widening=frozenset({"x_embedder.weight"}),
    )
