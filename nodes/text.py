"""Nodes that turn prompts into conditionings, and that load and change text encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from engine.context import Context
from engine.fingerprint import file_fingerprint
from engine.inputs import MAX_SIDE_PX, Float, Int, Prompt
from engine.registry import node
from nodes import diffusion
from nodes.values import Clip, Cond, Conditioning

SidePx = Annotated[int, Int(min=0, max=MAX_SIDE_PX)]
Padding = Annotated[int, Int(min=0, max=10000, step=1)]
Factor = Annotated[float, Float(min=0.0, max=10.0, step=0.01)]


def embeddings_of_one(ctx: Context, text: str | None) -> list[str]:
    """The fingerprint of a node with one prompt; see :func:`fingerprints`."""
    return fingerprints(ctx, text)


def fingerprints(ctx: Context, *prompts: str | None) -> list[str]:
    """Fingerprints of the embedding files that the prompts name; of all there are if one is linked, so not known."""
    if any(not isinstance(prompt, str) for prompt in prompts):
        files = [ctx.folders.find("embeddings", name) for name in ctx.folders.files("embeddings")]
    else:
        folders = ctx.folders.of_kind("embeddings")
        naming = [prompt for prompt in prompts if prompt and "embedding:" in prompt]
        files = [file for prompt in naming for file in diffusion.text.embedding_files(prompt, folders)]
    return [f"{file.name}:{file_fingerprint(file)}" for file in files]


def encode_prompt(ctx: Context, clip: Clip, text: str | Mapping[str, str]) -> Cond:
    """The conditioning of one prompt, or of one for each encoder, as the family of ``clip`` reads it."""
    return clip.family.text.encode(ctx.models, clip, text, ctx.folders.of_kind("embeddings"))


@node(
    "CLIPTextEncode",
    category="conditioning",
    display_name="CLIP Text Encode (Prompt)",
    fingerprint=embeddings_of_one,
    keep=True,
)
def encode_text(ctx: Context, *, text: Prompt, clip: Clip) -> Conditioning:
    r"""The encoded prompt: float32[1, 77 for every 75 tokens, width], with the pooled vector that SDXL reads.

    ``(text:1.2)`` weighs, ``(text)`` weighs 1.1 times, ``\(`` is a parenthesis, ``embedding:name`` puts in a file
    from the embeddings folder.
    """
    return Conditioning((encode_prompt(ctx, clip, text),))


@node(
    "CLIPTextEncodeControlnet",
    category="_for_testing/conditioning",
    experimental=True,
    fingerprint=embeddings_of_one,
    keep=True,
)
def encode_text_for_controlnet(ctx: Context, *, clip: Clip, conditioning: Conditioning, text: Prompt) -> Conditioning:
    """The conditioning with a prompt of its own for ControlNets."""
    prompt = encode_prompt(ctx, clip, text)
    own = {"cross_attn_controlnet": prompt.context, "pooled_output_controlnet": prompt.pooled}
    return conditioning.map(lambda entry: replace(entry, extra={**entry.extra, **own}))


@node("CLIPSetLastLayer", category="conditioning", display_name="CLIP Set Last Layer")
def set_last_layer(
    ctx: Context, *, clip: Clip, stop_at_clip_layer: Annotated[int, Int(min=-24, max=-1, step=1)] = -1
) -> Clip:
    """The text encoders, read at this hidden layer: -1 is the last, -2 the one before."""
    return replace(clip, last_layer=stop_at_clip_layer)


@node("CLIPAttentionMultiply", category="_for_testing/attention_experiments", experimental=True)
def multiply_attention(
    ctx: Context, *, clip: Clip, q: Factor = 1.0, k: Factor = 1.0, v: Factor = 1.0, out: Factor = 1.0
) -> Clip:
    """The text encoders with the projections of their self-attention multiplied."""
    factors = {"q_proj": q, "k_proj": k, "v_proj": v, "out_proj": out}
    return diffusion.text.scale_attention(ctx.models, clip, factors)


@node("T5TokenizerOptions", category="model/conditioning", display_name="T5 Tokenizer Options", experimental=True)
def set_t5_padding(ctx: Context, *, clip: Clip, min_padding: Padding = 0, min_length: Padding = 0) -> Clip:
    """The text encoders, with T5's prompts filled up by ``min_padding`` tokens, to at least ``min_length`` in all."""
    return replace(clip, options={**clip.options, **diffusion.text.padding_options(min_length, min_padding)})
