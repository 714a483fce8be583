"""A small picture drawn by calling the nodes of a text-to-image workflow one after another."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from engine.context import Context
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from nodes.latent import empty_latent
from nodes.loaders import load_checkpoint
from nodes.sample import ksampler
from nodes.text import encode_text
from nodes.vae import vae_decode
from nodes.values import Clip, Vae


def drawn(models_dir: Path, store: ModelStore, checkpoint: str, *, steps: int = 3) -> tuple[Tensor, Tensor]:
    """(denoised latent, pixels) of a checkpoint in ``models_dir``, 64 x 64 pixels."""
    ctx = Context(Folders(model_folders([models_dir])), store)
    model, clip, vae = load_checkpoint(ctx, ckpt_name=checkpoint)
    assert isinstance(clip, Clip)
    assert isinstance(vae, Vae)
    positive, negative = (encode_text(ctx, clip=clip, text=text) for text in ("a red fox", "blurry"))
    latent = ksampler(
        ctx,
        model=model,
        positive=positive,
        negative=negative,
        latent_image=empty_latent(ctx, width=64, height=64),
        seed=3,
        steps=steps,
        cfg=4.0,
        sampler_name="euler",
        scheduler="normal",
    )
    return latent.samples, vae_decode(ctx, samples=latent, vae=vae).pixels
