"""Nodes that open model files: checkpoints, bare denoisers, VAEs."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from engine.context import Context
from engine.inputs import Choice, FileChoice
from engine.registry import node
from engine.types import Absent
from nodes import diffusion
from nodes.values import Clip, Model, Vae

PIXEL_SPACE = "pixel_space"


class CheckpointOutputs(NamedTuple):
    """A checkpoint's three parts; a node that reads one which the file lacks fails."""

    MODEL: Model
    CLIP: Clip | Absent
    VAE: Vae | Absent


@node("CheckpointLoaderSimple", category="loaders", display_name="Load Checkpoint")
def load_checkpoint(
    ctx: Context, *, ckpt_name: Annotated[str, FileChoice("checkpoints", network=True)]
) -> CheckpointOutputs:
    """The denoiser, text encoders and VAE of a single-file checkpoint (SD1.x, SD2.x, SDXL base or refiner)."""
    return _outputs(diffusion.checkpoints.load_checkpoint(ctx.folders.find("checkpoints", ckpt_name)), ckpt_name)


@node(
    "CheckpointLoader",
    category="advanced/loaders",
    display_name="Load Checkpoint With Config (DEPRECATED)",
    deprecated=True,
)
def load_checkpoint_with_config(
    ctx: Context,
    *,
    config_name: Annotated[str, FileChoice("configs")],
    ckpt_name: Annotated[str, FileChoice("checkpoints", network=True)],
) -> CheckpointOutputs:
    """As CheckpointLoaderSimple; the configuration file says what the network predicts and which text layer counts."""
    checkpoint = diffusion.checkpoints.load_checkpoint(ctx.folders.find("checkpoints", ckpt_name))
    config = ctx.folders.find("configs", config_name)
    return _outputs(diffusion.checkpoints.with_config(checkpoint, config), ckpt_name)


@node("UNETLoader", category="advanced/loaders", display_name="Load Diffusion Model")
def load_unet(
    ctx: Context,
    *,
    unet_name: Annotated[str, FileChoice("diffusion_models", network=True)],
    weight_dtype: Annotated[str, Choice("default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2")],
) -> Model:
    """A denoiser from a file of its own; ``weight_dtype`` rounds its weights to 8 bits."""
    return diffusion.checkpoints.load_unet(ctx.folders.find("diffusion_models", unet_name), weight_dtype)


@node("VAELoader", category="loaders", display_name="Load VAE")
def load_vae(ctx: Context, *, vae_name: Annotated[str, FileChoice("vae", after=(PIXEL_SPACE,))]) -> Vae:
    """A VAE from a file of its own; ``pixel_space`` is the identity."""
    if vae_name == PIXEL_SPACE:
        return diffusion.vae_pixels.pixel_space()
    return diffusion.checkpoints.load_vae(ctx.folders.find("vae", vae_name))


def _outputs(checkpoint: diffusion.checkpoints.Checkpoint, name: str) -> CheckpointOutputs:
    no_clip = Absent(f"checkpoint '{name}' holds no text encoder", "load one with CLIPLoader or DualCLIPLoader")
    if not checkpoint.model.family.texts:
        title = checkpoint.model.family.title
        no_clip = Absent(f"{title} reads pictures and no prompts", "load it with ImageOnlyCheckpointLoader")
    no_vae = Absent(f"checkpoint '{name}' holds no VAE", "load one with VAELoader")
    return CheckpointOutputs(checkpoint.model, checkpoint.clip or no_clip, checkpoint.vae or no_vae)
