"""LTX-2's files have their authors' names (https://github.com/Lightricks/LTX-2), the network diffusers'."""

from __future__ import annotations

from nodes.diffusion.name_map import NameMap, whole
from nodes.families.marks import Shapes

_WHOLE = (
    ("proj_in.", "patchify_proj."),
    ("audio_proj_in.", "audio_patchify_proj."),
    ("time_embed.", "adaln_single."),
    ("audio_time_embed.", "audio_adaln_single."),
    ("av_cross_attn_video_scale_shift.", "av_ca_video_scale_shift_adaln_single."),
    ("av_cross_attn_video_a2v_gate.", "av_ca_a2v_gate_adaln_single."),
    ("av_cross_attn_audio_scale_shift.", "av_ca_audio_scale_shift_adaln_single."),
    ("av_cross_attn_audio_v2a_gate.", "av_ca_v2a_gate_adaln_single."),
    ("prompt_adaln.", "prompt_adaln_single."),
    ("audio_prompt_adaln.", "audio_prompt_adaln_single."),
)
_WITHIN = (
    (".norm_q.", ".q_norm."),
    (".norm_k.", ".k_norm."),
    ("connector.transformer_blocks.", "connector.transformer_1d_blocks."),
    (".video_a2v_cross_attn_scale_shift_table", ".scale_shift_table_a2v_ca_video"),
    (".audio_a2v_cross_attn_scale_shift_table", ".scale_shift_table_a2v_ca_audio"),
)


def name_map(shapes: Shapes) -> NameMap:
    """Each parameter by its author's name."""
    return NameMap(native=whole((_native(name), name) for name in shapes))


def _native(name: str) -> str:
    for own, authors in _WHOLE:
        if name.startswith(own):
            name = authors + name.removeprefix(own)
            break
    for own, authors in _WITHIN:
        name = name.replace(own, authors)
    return name
