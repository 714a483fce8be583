"""Latents in files: safetensors with the ending .latent, as ComfyUI writes and reads them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from engine.context import Context
from engine.encoded import EncodedFile
from engine.errors import ModelUnreadable
from nodes.metadata import tensors as metadata
from nodes.values import Latent

SUFFIX = ".latent"
MEDIA_TYPE = "application/octet-stream"
TENSOR = "latent_tensor"
# Files without this marker hold latents in the scale of SD1.5's denoiser.
UNSCALED_MARK = "latent_format_version_0"
SD15_SCALE = 0.18215


def save(ctx: Context, latent: Latent, prefix: str) -> EncodedFile:
    """Encode ``latent`` for the output folder, where it gets the workflow into its header."""
    tensors = {TENSOR: latent.samples.contiguous(), UNSCALED_MARK: torch.tensor([])}
    return ctx.files(prefix).save(SUFFIX, MEDIA_TYPE, lambda path: save_file(tensors, path), metadata.embed)


def load(path: Path) -> Latent:
    """Read a latent, float32[batch, channels, height, width]. Raises ModelUnreadable for any other file."""
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelUnreadable(
            f"'{path.name}' is no latent file: {error}", input="latent", remedy="choose a file that SaveLatent wrote"
        ) from error
    if TENSOR not in tensors:
        raise ModelUnreadable(f"'{path.name}' holds no tensor '{TENSOR}'", input="latent")
    scale = 1.0 if UNSCALED_MARK in tensors else 1.0 / SD15_SCALE
    return Latent(tensors[TENSOR].float() * scale)
