"""Multiplies the attention projections of text encoders."""

from __future__ import annotations

from collections.abc import Mapping

from engine.model_store import ModelStore
from nodes.diffusion.patches.scaling import ScalingPatch
from nodes.values import Clip


def scale_attention(models: ModelStore, clip: Clip, factors: Mapping[str, float]) -> Clip:
    """``clip`` with weights and biases of every self-attention multiplied, in all encoders.

    ``factors``: by projection, ``q_proj``, ``k_proj``, ``v_proj`` and ``out_proj``.
    """
    for index, weights in enumerate(clip.weights):
        chosen = {}
        for name in models.shapes(weights):
            _, _, place = name.rpartition("self_attn.")
            projection = place.partition(".")[0]
            if projection in factors and factors[projection] != 1:
                chosen[name] = factors[projection]
        if chosen:
            clip = clip.with_weight_patch(index, ScalingPatch(chosen))
    return clip
