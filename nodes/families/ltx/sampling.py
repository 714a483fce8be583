"""What LTX-Video's transformer gets beside the noisy latent: the prompt, the frame rate, masks and guides."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.inputs import Input, Scene
from nodes.diffusion.transformers import context_of
from nodes.families.ltx.denoiser import LTXVariant
from nodes.families.ltx.guides import token_weights
from nodes.values import Cond

FRAME_RATE = 25.0


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """By name, see :func:`nodes.families.ltx.denoiser.step`.

    Raises ``InputInvalid`` for another family's prompt, and for guides of another size than the latent.
    """
    variant: LTXVariant = scene.model.variant
    context = known_tokens(context_of(entry, scene, variant.context_width).value, entry)
    return {"context": Input(context, "pad"), "variant": Input(variant, "same")} | film_inputs(entry, scene)


def film_inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """What the film's tokens need beside the prompt."""
    found = {"frame_rate": Input(float(entry.extra.get("frame_rate", FRAME_RATE)), "same")}
    if scene.mask is not None:
        found["noisy"] = Input(scene.mask[:, :1], "cut")
    if (guides := entry.extra.get("keyframe_idxs")) is not None and guides.shape[2]:
        _check_size(guides, scene)
        found["guides"] = Input(guides.to(scene.latent.device, torch.float32))
        if (weights := token_weights(entry.extra.get("guide_attention_entries") or ())) is not None:
            found["guide_weights"] = Input(weights.to(scene.latent.device))
    return found


def known_tokens(context: Tensor, entry: Cond) -> Tensor:
    """``context`` without its padding, which nothing attends to."""
    mask = entry.extra.get("attention_mask")
    if mask is None or mask.shape[-1] != context.shape[1]:
        return context
    known = mask.reshape(-1, mask.shape[-1]).bool().any(dim=0)
    return context[:, known.to(context.device)]


def _check_size(guides: Tensor, scene: Scene) -> None:
    tokens, of_frame = guides.shape[2], scene.latent.shape[-1] * scene.latent.shape[-2]
    if tokens % of_frame or tokens > of_frame * scene.latent.shape[2]:
        raise InputInvalid(
            f"the prompt's guides have {tokens} tokens, which a latent of {of_frame} tokens a frame does not end with",
            input=scene.role,
            remedy="take the latent that LTXVAddGuide gives, and crop guides before the latent changes its size",
        )
