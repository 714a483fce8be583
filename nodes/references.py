"""Pictures that a prompt refers to, for models that edit."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from engine.context import Context
from engine.inputs import Choice
from engine.registry import node
from nodes.values import Conditioning, Latent


@node("ReferenceLatent", category="model/conditioning", display_name="Set Reference Latent")
def set_reference_latent(ctx: Context, *, conditioning: Conditioning, latent: Latent | None = None) -> Conditioning:
    """The prompts with one more picture that they refer to."""
    if latent is None:
        return conditioning
    return conditioning.map(
        lambda entry: replace(
            entry,
            extra={**entry.extra, "reference_latents": (*entry.extra.get("reference_latents", ()), latent.samples)},
        )
    )


@node(
    "FluxKontextMultiReferenceLatentMethod",
    category="model/conditioning/flux",
    display_name="Edit Model Reference Method",
    experimental=True,
)
def set_reference_method(
    ctx: Context,
    *,
    conditioning: Conditioning,
    reference_latents_method: Annotated[str, Choice("offset", "index", "uxo/uno", "index_timestep_zero")],
) -> Conditioning:
    """The prompts with a way in which pictures that they refer to stand beside the one that is made."""
    method = "uxo" if reference_latents_method == "uxo/uno" else reference_latents_method
    return conditioning.map(lambda entry: replace(entry, extra={**entry.extra, "reference_latents_method": method}))
