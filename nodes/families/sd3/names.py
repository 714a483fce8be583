"""Where the tensors of a Stable Diffusion 3 file, in its authors' layout, are in diffusers' module."""

from __future__ import annotations

from nodes.diffusion.name_map import NameMap, Spans, by_table, swapped_halves, whole
from nodes.families.marks import Shapes

_STREAMS = {
    "x_block": ("norm1", ("to_q", "to_k", "to_v"), ("norm_q", "norm_k"), "to_out.0", "ff"),
    "context_block": (
        "norm1_context",
        ("add_q_proj", "add_k_proj", "add_v_proj"),
        ("norm_added_q", "norm_added_k"),
        "to_add_out",
        "ff_context",
    ),
}


def _blocks() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for stream, (norm, projections, (norm_q, norm_k), out, feed_forward) in _STREAMS.items():
        file, module = f"joint_blocks.{{}}.{stream}.", "transformer_blocks.{}."
        found |= {
            f"{file}adaLN_modulation.1": (f"{module}{norm}.linear",),
            f"{file}attn.qkv": tuple(f"{module}attn.{name}" for name in projections),
            f"{file}attn.ln_q": (f"{module}attn.{norm_q}",),
            f"{file}attn.ln_k": (f"{module}attn.{norm_k}",),
            f"{file}attn.proj": (f"{module}attn.{out}",),
            f"{file}mlp.fc1": (f"{module}{feed_forward}.net.0.proj",),
            f"{file}mlp.fc2": (f"{module}{feed_forward}.net.2",),
        }
    second = "joint_blocks.{}.x_block.attn2.", "transformer_blocks.{}.attn2."
    return found | {
        f"{second[0]}qkv": tuple(f"{second[1]}to_{letter}" for letter in "qkv"),
        f"{second[0]}ln_q": (f"{second[1]}norm_q",),
        f"{second[0]}ln_k": (f"{second[1]}norm_k",),
        f"{second[0]}proj": (f"{second[1]}to_out.0",),
    }


_ELSE: dict[str, tuple[str, ...]] = {
    "x_embedder.proj": ("pos_embed.proj",),
    "pos_embed": ("pos_embed.pos_embed",),
    "t_embedder.mlp.0": ("time_text_embed.timestep_embedder.linear_1",),
    "t_embedder.mlp.2": ("time_text_embed.timestep_embedder.linear_2",),
    "y_embedder.mlp.0": ("time_text_embed.text_embedder.linear_1",),
    "y_embedder.mlp.2": ("time_text_embed.text_embedder.linear_2",),
    "context_embedder": ("context_embedder",),
    "final_layer.linear": ("proj_out",),
}


def name_map(shapes: Shapes) -> NameMap:
    """The authors' names, with diffusers' own beside them. ``shapes``: of an ``SD3Transformer2DModel``."""
    native: dict[str, Spans] = by_table(_blocks() | _ELSE, shapes)
    # Norms that only scale and shift do so in the other order in diffusers: the last one, and the last block's of text.
    last = max(int(name.split(".")[1]) for name in shapes if name.startswith("transformer_blocks."))
    native |= swapped_halves("final_layer.adaLN_modulation.1", "norm_out.linear", shapes)
    text = f"joint_blocks.{last}.context_block.adaLN_modulation.1"
    native |= swapped_halves(text, f"transformer_blocks.{last}.norm1_context.linear", shapes)
    return NameMap(native, others=whole({name: name for name in shapes}))
