"""Model files to values: a checkpoint's denoiser, text encoders and VAE, or one of them from a file of its own.

Opening a file reads its header and a few samples; the tensors are read when a network is first lent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml

from engine.errors import ModelUnreadable
from engine.weights import Weights
from nodes.diffusion.contents import content_key
from nodes.diffusion.families import detect
from nodes.diffusion.identity import denoiser_in, family_in, what_it_is
from nodes.diffusion.parameterization import discrete
from nodes.diffusion.text import clip_in
from nodes.diffusion.unet_config import as_diffusers, build_unet
from nodes.diffusion.vae_config import PixelSpace, build_vae, looks_like_vae
from nodes.diffusion.weights import WeightFile, WeightView
from nodes.families.recognition import prefix_of
from nodes.values import Clip, Model, Vae

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
STORAGE_DTYPES = {
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e4m3fn_fast": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a single file holds; text encoders and VAE may be missing from it."""

    model: Model
    clip: Clip | None
    vae: Vae | None

    @property
    def networks(self) -> list[Weights]:
        """All that it holds: the denoiser, the text encoders, the VAE."""
        encoders = () if self.clip is None else self.clip.weights
        return [self.model.weights, *encoders, *([] if self.vae is None else [self.vae.weights])]


def load_checkpoint(path: Path) -> Checkpoint:
    """Open a single-file checkpoint. Raises ``ModelUnreadable`` where it is damaged or of no known family."""
    file = WeightFile(path)
    if prefix_of(file.shapes) != UNET_PREFIX:
        raise ModelUnreadable(_no_checkpoint(file), input="ckpt_name", remedy=_loader_for(file))
    model = _model(denoiser_in(file, "ckpt_name"), file)
    vae_view = file.view(VAE_PREFIX)
    vae = Vae(_weights("vae", vae_view), model.family) if looks_like_vae(vae_view) else None
    return Checkpoint(model, clip_in(file, family_in(file)), vae)


def load_unet(path: Path, storage: str = "default") -> Model:
    """A denoiser from a file of its own; ``storage``: the number format its weights are rounded to."""
    file = WeightFile(path)
    model = _model(denoiser_in(file, "unet_name"), file)
    if storage == "default":
        return model
    weights, dtype = model.weights, STORAGE_DTYPES[storage]

    def build() -> torch.nn.Module:
        module = weights.build()
        for parameter in module.parameters():
            parameter.data = parameter.data.to(dtype)
        return module

    return replace(model, weights=replace(weights, key=f"{weights.key}:{dtype}", build=build))


def load_vae(path: Path) -> Vae:
    """A VAE from a file of its own, or a checkpoint's."""
    file = WeightFile(path)
    view = file.view(VAE_PREFIX, "vae.", "")
    if not looks_like_vae(view):
        raise ModelUnreadable(
            f"'{path.name}' holds no VAE of the Stable Diffusion families{what_it_is(file)}",
            input="vae_name",
            remedy="take the VAE of an SD 1, SD 2 or SDXL model",
        )
    return Vae(_weights("vae", view))


def pixel_space() -> Vae:
    """The VAE of models that denoise pixels: latents are pictures in -1..1."""
    return Vae(Weights("vae:pixel_space", PixelSpace, "pixel space", wide=True))


def with_config(checkpoint: Checkpoint, config: Path) -> Checkpoint:
    """``checkpoint`` with what an LDM configuration file says of its prediction and its text encoder's layer."""
    try:
        params = yaml.safe_load(config.read_text(encoding="utf-8"))["model"]["params"]
        stage = params.get("cond_stage_config", {}).get("params", {}) or {}
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnreadable(
            f"'{config.name}' is no model configuration",
            input="config_name",
            remedy="take one of the LDM format, such as v1-inference.yaml",
        ) from error
    model, clip = checkpoint.model, checkpoint.clip
    if params.get("parameterization") == "v":
        family = replace(model.family, prediction="v")
        model = replace(model, family=family, parameterization=discrete("v", zsnr=family.zsnr))
    if clip is not None and (layer := _hidden_layer(stage)) is not None:
        clip = replace(clip, last_layer=layer)
    return Checkpoint(model, clip, checkpoint.vae)


def _hidden_layer(stage: dict[str, Any]) -> int | None:
    if stage.get("layer") == "penultimate":
        return -2
    if stage.get("layer") == "hidden" and isinstance(stage.get("layer_idx"), int):
        return int(stage["layer_idx"])
    return None


def _model(view: WeightView, file: WeightFile) -> Model:
    unet = as_diffusers(view)
    family = detect(unet, file)
    weights = Weights(
        f"unet:{content_key(unet)}",
        lambda: build_unet(unet),
        f"{file.path.name} UNet",
        heavy=unet.heavy,
        release=file.release,
    )
    return Model(weights, family, discrete(family.prediction, zsnr=family.zsnr))


def _weights(kind: str, view: WeightView) -> Weights:
    key = f"{kind}:{content_key(view)}"
    label = f"{view.file.path.name} VAE"
    # Not `heavy`: it runs once a picture, and what it rounds is what people see (0.03 off in bfloat16).
    return Weights(key, lambda: build_vae(view), label, wide=True, release=view.file.release)


def _no_checkpoint(file: WeightFile) -> str:
    return f"'{file.path.name}' is no checkpoint: it holds no tensors under '{UNET_PREFIX}'{what_it_is(file)}"


def _loader_for(file: WeightFile) -> str:
    """Which node loads what this file seems to be."""
    marks = {
        "lora": "this looks like a LoRA: use LoraLoader",
        "control_model.": "this looks like a ControlNet: use ControlNetLoader",
        "controlnet_": "this looks like a ControlNet: use ControlNetLoader",
        "coder.conv_in.weight": "this looks like a VAE: use VAELoader",
        "text_model.encoder.": "this looks like a text encoder: use CLIPLoader",
        "input_blocks.0.0.weight": "this looks like a bare UNet: use UNETLoader",
        "down_blocks.0.": "this looks like a bare UNet: use UNETLoader",
        "double_blocks.": "this looks like a bare diffusion model: use UNETLoader",
    }
    return next((hint for mark, hint in marks.items() if any(mark in name for name in file.facts)), "")
