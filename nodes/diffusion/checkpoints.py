"""Model files to values: a checkpoint's denoiser, text encoders and VAE, or one of them from a file of its own.

Opening a file reads its header and a few samples; the tensors are read when a network is first lent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from engine.errors import ModelUnreadable
from engine.module_tensors import replace_tensors
from engine.quantized import Quantized
from engine.weights import Weights
from nodes.diffusion.identity import denoiser_in, what_it_is
from nodes.diffusion.text import clip_in
from nodes.diffusion.weights import WeightFile, WeightView
from nodes.families.family import VaeKind
from nodes.families.found import families, vae_kinds
from nodes.families.marks import any_fits
from nodes.families.recognition import WHOLE, prefix_of
from nodes.values import Clip, Model, Vae

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
    if prefix_of(file.shapes) != WHOLE:
        raise ModelUnreadable(_no_checkpoint(file), input="ckpt_name", remedy=_loader_for(file))
    family, view = denoiser_in(file, "ckpt_name")
    return Checkpoint(family.denoiser.load(view), clip_in(file, family), vae_in(file.view(*family.vae)))


def load_unet(path: Path, storage: str = "default") -> Model:
    """A denoiser from a file of its own; ``storage``: the number format its weights are rounded to, where the file has
    not quantized them already.
    """
    family, view = denoiser_in(WeightFile(path), "unet_name")
    model = family.denoiser.load(view)
    if storage == "default":
        return model
    weights, dtype = model.weights, STORAGE_DTYPES[storage]

    def rounded(tensor: Tensor) -> Tensor:
        kept = isinstance(tensor, Quantized) or not tensor.is_floating_point()
        return tensor if kept else tensor.to(dtype)

    def build() -> torch.nn.Module:
        module = weights.build()
        replace_tensors(module, rounded)
        return module

    return replace(model, weights=replace(weights, key=f"{weights.key}:{dtype}", build=build))


def load_vae(path: Path) -> Vae:
    """A VAE from a file of its own, or a checkpoint's."""
    file = WeightFile(path)
    prefixes = dict.fromkeys(prefix for family in families().values() for prefix in family.vae)
    vae = vae_in(file.view(*prefixes, ""))
    if vae is None:
        known = ", ".join(kind.title for kind in vae_kinds().values() if kind.marks)
        raise ModelUnreadable(
            f"'{path.name}' holds no VAE of a kind that is known{what_it_is(file)}",
            input="vae_name",
            remedy=f"the kinds here are: {known}",
        )
    return vae


def load_vae_of(path: Path, kind: VaeKind) -> Vae | None:
    """The VAE of this kind that a checkpoint holds beside others, or None."""
    view = WeightFile(path).view("")
    return kind.part.load(view) if any_fits(kind.marks, view.shapes) else None


def vae_in(view: WeightView) -> Vae | None:
    """The VAE whose tensors are in ``view``, or None where they are none of a known kind."""
    shapes = view.shapes
    kind = next((kind for kind in vae_kinds().values() if any_fits(kind.marks, shapes)), None)
    return None if kind is None else kind.part.load(view)


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
        model = replace(model, parameterization=replace(model.parameterization, prediction="v"))
    if clip is not None and (layer := _hidden_layer(stage)) is not None:
        clip = replace(clip, last_layer=layer)
    return Checkpoint(model, clip, checkpoint.vae)


def _hidden_layer(stage: dict[str, Any]) -> int | None:
    if stage.get("layer") == "penultimate":
        return -2
    if stage.get("layer") == "hidden" and isinstance(stage.get("layer_idx"), int):
        return int(stage["layer_idx"])
    return None


def _no_checkpoint(file: WeightFile) -> str:
    return f"'{file.path.name}' is no checkpoint: it holds no tensors under '{WHOLE}'{what_it_is(file)}"


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
