"""Nodes that load what LTX-2 reads prompts with, and its sound VAE."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.errors import ModelUnreadable
from engine.inputs import Choice, FileChoice, Shown
from engine.registry import node
from nodes import diffusion
from nodes.families.ltx2 import SOUND_VAE
from nodes.values import Clip, Vae


@node("LTXAVTextEncoderLoader", category="model/loaders", display_name="Load LTXV Audio Text Encoder")
def load_text_encoder(
    ctx: Context,
    *,
    text_encoder: Annotated[str, FileChoice("text_encoders")],
    ckpt_name: Annotated[str, FileChoice("checkpoints", network=True)],
    device: Annotated[str, Choice("default", "cpu"), Shown(advanced=True)],
) -> Clip:
    """Gemma 3 from a file of its own, and the projection of its layers from a checkpoint of LTX-2."""
    paths = [ctx.folders.find("text_encoders", text_encoder), ctx.folders.find("checkpoints", ckpt_name)]
    return diffusion.text.load_clip(paths, "ltxv")


@node("LTXVAudioVAELoader", category="model/loaders", display_name="Load LTXV Audio VAE", output_names=("Audio VAE",))
def load_sound_vae(
    ctx: Context,
    *,
    ckpt_name: Annotated[str, FileChoice("checkpoints", network=True, tooltip="Audio VAE checkpoint to load.")],
) -> Vae:
    """The sound VAE of a checkpoint, with its vocoder. Raises ``ModelUnreadable`` where it holds none."""
    vae = diffusion.checkpoints.load_vae_of(ctx.folders.find("checkpoints", ckpt_name), SOUND_VAE)
    if vae is None:
        raise ModelUnreadable(f"'{ckpt_name}' holds no sound VAE", input="ckpt_name", remedy="take one of LTX-2")
    return vae
