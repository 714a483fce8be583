"""ACE-Step 1.5's network: a transformer over latents, and what makes its condition and its hints."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.transformers.ace_step_transformer import AceStepTransformer1DModel
from diffusers.pipelines.ace_step.modeling_ace_step import (
    AceStepAudioTokenDetokenizer,
    AceStepAudioTokenizer,
    AceStepConditionEncoder,
)
from torch import nn

from nodes.diffusion.weights import WeightView

HEAD_WIDTH = 128
PATCH = 2
POOL = 5
"""Cells of a latent that one code stands for."""
WINDOW = 128
"""Every other layer of the transformer attends to so many tokens on either side."""
THETA = 1e6


class SongNetwork(nn.Module):
    """``decoder``: the transformer; ``encoder``: of words, lyrics and timbre; ``tokenizer`` and ``detokenizer``: sounds
    to codes and codes to hints.
    """

    def __init__(self, view: WeightView) -> None:
        super().__init__()
        acoustic = view.shape("decoder.proj_out.1.weight")[1]
        self.decoder = AceStepTransformer1DModel(
            **_layers(view, "decoder", "num_hidden_layers"),
            in_channels=view.shape("decoder.proj_in.1.weight")[1],
            audio_acoustic_hidden_dim=acoustic,
            patch_size=PATCH,
            encoder_hidden_size=view.shape("decoder.condition_embedder.weight")[1],
        )
        self.encoder = AceStepConditionEncoder(
            **_layers(view, "encoder.lyric_encoder", "num_lyric_encoder_hidden_layers"),
            text_hidden_dim=view.shape("encoder.text_projector.weight")[1],
            timbre_hidden_dim=acoustic,
            num_timbre_encoder_hidden_layers=view.count("encoder.timbre_encoder.layers"),
        )
        del self.encoder.silence_latent
        pooler = _layers(view, "tokenizer.attention_pooler", "num_attention_pooler_hidden_layers")
        self.tokenizer = AceStepAudioTokenizer(
            **pooler, audio_acoustic_hidden_dim=acoustic, fsq_dim=pooler["hidden_size"], pool_window_size=POOL
        )
        for constant in ("_levels", "_basis", "scales"):  # which no file has, and conditions.py knows
            delattr(self.tokenizer.quantizer, constant)
        self.detokenizer = AceStepAudioTokenDetokenizer(
            **_layers(view, "detokenizer", "num_attention_pooler_hidden_layers"),
            audio_acoustic_hidden_dim=acoustic,
            pool_window_size=POOL,
        )


def build(view: WeightView) -> torch.nn.Module:
    """The network whose tensors, under their authors' names, are in ``view``."""
    return SongNetwork(view)


def _layers(view: WeightView, part: str, count: str) -> dict[str, Any]:
    """The dimensions of a part's layers."""
    first = f"{part}.layers.0."
    queries, width = view.shape(f"{first}self_attn.q_proj.weight")
    return {
        "hidden_size": width,
        "intermediate_size": view.shape(f"{first}mlp.gate_proj.weight")[0],
        count: view.count(f"{part}.layers"),
        "num_attention_heads": queries // HEAD_WIDTH,
        "num_key_value_heads": view.shape(f"{first}self_attn.k_proj.weight")[0] // HEAD_WIDTH,
        "head_dim": HEAD_WIDTH,
    }
