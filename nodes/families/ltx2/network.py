"""LTX-2's transformer of diffusers' layers, with the connectors that read prompts; what a file's header says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diffusers import LTX2VideoTransformer3DModel
from diffusers.models.transformers.transformer_ltx2 import LTX2Attention
from diffusers.pipelines.ltx2.connectors import LTX2ConnectorTransformer1d
from torch import nn

from nodes.diffusion.weights import WeightView

ATTENTION_EPSILON = 1e-5
HEADS, CONNECTOR_HEAD_WIDTH = 32, 128
CAPTIONS = "caption_projection.linear_1.weight"


@dataclass(frozen=True, slots=True)
class LTX2Variant:
    """What the header of a file says and its tensors do not.

    ``limits``, ``sound_limit``: the largest place in time, height and width, and in time; ``middle``: tokens are in the
    middle of what they stand for; ``split``: halves of heads turn together, not neighbours. ``per_sigma``,
    ``per_crossing``: how much the network, and its attention between film and sound, are told of a noise level of 1.
    ``context_width``: of prompts; ``apart``: how wide the part of them is that films read, 0 where sound reads it too.
    """

    context_width: int
    apart: int
    limits: tuple[int, ...]
    sound_limit: int
    theta: float
    causal: bool
    middle: bool
    split: bool
    per_sigma: float
    per_crossing: float


def variant_of(view: WeightView, config: Mapping[str, Any]) -> LTX2Variant:
    """The variant in ``view``, whose header has ``config`` for the transformer."""
    film, sound = (view.shape(f"{each}_embeddings_connector.learnable_registers")[1] for each in ("video", "audio"))
    is_one = CAPTIONS in view
    return LTX2Variant(
        context_width=film if is_one else film + sound,
        apart=0 if is_one else film,
        limits=tuple(config.get("positional_embedding_max_pos", (20, 2048, 2048))),
        sound_limit=int(config.get("audio_positional_embedding_max_pos", (20,))[0]),
        theta=float(config.get("positional_embedding_theta", 10000.0)),
        causal=bool(config.get("causal_temporal_positioning", True)),
        middle=bool(config.get("use_middle_indices_grid", True)),
        split=config.get("rope_type", "split") == "split",
        per_sigma=float(config.get("timestep_scale_multiplier", 1000.0)),
        per_crossing=float(config.get("av_ca_timestep_scale_multiplier", 1.0)),
    )


def build(view: WeightView, config: Mapping[str, Any]) -> nn.Module:
    """The network for the tensors of ``view``, which has its authors' names."""
    film, channels = view.shape("patchify_proj.weight")
    sound, sound_channels = view.shape("audio_patchify_proj.weight")
    heads, sound_heads = config.get("num_attention_heads", HEADS), config.get("audio_num_attention_heads", HEADS)
    gated = "transformer_blocks.0.attn1.to_gate_logits.weight" in view
    modulated = "transformer_blocks.0.prompt_scale_shift_table" in view
    network: Any = LTX2VideoTransformer3DModel(
        in_channels=channels,
        out_channels=view.shape("proj_out.weight")[0],
        num_attention_heads=heads,
        attention_head_dim=film // heads,
        cross_attention_dim=view.shape("transformer_blocks.0.attn2.to_k.weight")[1],
        gated_attn=gated,
        cross_attn_mod=modulated,
        audio_in_channels=sound_channels,
        audio_out_channels=view.shape("audio_proj_out.weight")[0],
        audio_num_attention_heads=sound_heads,
        audio_attention_head_dim=sound // sound_heads,
        audio_cross_attention_dim=view.shape("transformer_blocks.0.audio_attn2.to_k.weight")[1],
        audio_gated_attn=gated,
        audio_cross_attn_mod=modulated,
        num_layers=view.count("transformer_blocks"),
        caption_channels=view.shape(CAPTIONS)[1] if CAPTIONS in view else 1,
        use_prompt_embeddings=CAPTIONS in view,
        ff_bias="transformer_blocks.0.ff.net.2.bias" in view,
        audio_ff_bias="transformer_blocks.0.audio_ff.net.2.bias" in view,
        use_prompt_adaln_single="prompt_adaln_single.linear.weight" in view,
    )
    for name in ("rope", "audio_rope", "cross_attn_rope", "cross_attn_audio_rope"):
        delattr(network, name)  # positions depend on the file's header and on guides
    width = config.get("connector_attention_head_dim", CONNECTOR_HEAD_WIDTH)
    network.video_embeddings_connector = _connector(view, "video", width)
    sound_width = config.get("audio_connector_attention_head_dim", width)
    network.audio_embeddings_connector = _connector(view, "audio", sound_width)
    for part in network.modules():
        if isinstance(part, LTX2Attention):
            part.norm_q.eps = part.norm_k.eps = ATTENTION_EPSILON
    return network  # type: ignore[no-any-return]


def _connector(view: WeightView, which: str, head_width: int) -> nn.Module:
    name = f"{which}_embeddings_connector"
    registers, width = view.shape(f"{name}.learnable_registers")
    made: Any = LTX2ConnectorTransformer1d(
        num_attention_heads=width // head_width,
        attention_head_dim=head_width,
        num_layers=view.count(f"{name}.transformer_1d_blocks"),
        num_learnable_registers=registers,
        gated_attention=f"{name}.transformer_1d_blocks.0.attn1.to_gate_logits.weight" in view,
    )
    del made.rope
    return made  # type: ignore[no-any-return]
