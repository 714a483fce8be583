"""Opens the shipped files with diffusers' own converters, and gives them to the sampler."""

from pathlib import Path

import numpy as np
import torch
from diffusers.loaders.single_file_utils import (
    convert_controlnet_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from models.tiny.ldm_names import lora_name
from models.tiny.parts import LATENT_SCALE, build_controlnet, build_text, build_unet, build_vae
from models.tiny.sample import Family
from models.tiny.train_vae import to_tensor
from models.tiny.words import UNTAUGHT, clip_ids, rows

TEXT = "cond_stage_model.transformer.text_model."
Picture = NDArray[np.uint8]


def open_family(weights: Path, vocabulary: Path, lora: float = 0.0) -> Family:
    """The shipped checkpoint in fp32, with the style LoRA folded in at the given strength."""
    state = {k: v.float() for k, v in load_file(weights / "checkpoints" / "tiny.safetensors").items()}
    unet, vae, text = build_unet(), build_vae(), build_text()
    text.load_state_dict({k.removeprefix(TEXT): v for k, v in state.items() if k.startswith(TEXT)}, strict=True)
    vae_state = convert_ldm_vae_checkpoint(dict(state), dict(vae.config))
    vae.load_state_dict({k: v.reshape(vae.state_dict()[k].shape) for k, v in vae_state.items()})
    unet.load_state_dict(convert_ldm_unet_checkpoint(dict(state), dict(unet.config)))
    if lora:
        fold_lora(unet, load_file(weights / "loras" / "tiny_style.safetensors"), lora)
    for module in (unet, vae, text):
        module.eval().requires_grad_(False)
    ids = torch.tensor(clip_ids(vocabulary))
    ids[UNTAUGHT] = 286  # "?"

    def encode_text(captions: list[str]) -> Tensor:
        return text(ids[rows(captions)]).last_hidden_state

    def decode(latents: Tensor) -> Picture:
        found = vae.decode(latents / LATENT_SCALE).sample
        return ((found + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()

    def encode(pictures: Picture) -> Tensor:
        return vae.encode(to_tensor(list(pictures))).latent_dist.mean * LATENT_SCALE

    return Family(unet, torch.no_grad()(encode_text), torch.no_grad()(decode), torch.no_grad()(encode))


def open_control(weights: Path, unet: nn.Module) -> nn.Module:
    """The shipped edge ControlNet in fp32."""
    control = build_controlnet(unet)
    state = {k: v.float() for k, v in load_file(weights / "controlnet" / "tiny_canny.safetensors").items()}
    control.load_state_dict(convert_controlnet_checkpoint(state, dict(control.config)))
    return control.eval().requires_grad_(False)


@torch.no_grad()
def fold_lora(unet: nn.Module, lora: dict[str, Tensor], strength: float) -> None:
    """Adds strength * alpha / rank * up @ down to every layer the file names."""
    for name, module in unet.named_modules():
        key = lora_name(name)
        if f"{key}.lora_up.weight" not in lora:
            continue
        up, down = lora[f"{key}.lora_up.weight"].float(), lora[f"{key}.lora_down.weight"].float()
        factor = strength * float(lora[f"{key}.alpha"]) / len(down)
        module.weight += factor * (up.flatten(1) @ down.flatten(1)).reshape(module.weight.shape)
