"""Writes the trained family as public single files: SD1.x checkpoint, ControlNet, kohya LoRA, upscaler; fp16."""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from models.tiny.drawing import WEIGHTS
from models.tiny.ldm_names import control_names, unet_names, vae_name
from models.tiny.parts import LATENT_SCALE, TEXT_WIDTH, TOKENS
from models.tiny.words import UNTAUGHT, clip_ids

State = dict[str, Tensor]
TEXT = "cond_stage_model.transformer.text_model."
ABOUT = {"modelspec.license": "Apache-2.0", "modelspec.author": "dagfusion", "format": "pt"}


def fold(vae: State, shift: Tensor, scale: Tensor) -> State:
    """The VAE whose latents have mean 0 and spread 1 / 0.18215, by changing its two 1x1 convolutions alone."""
    out = dict(vae)
    factor = 1 / (scale * LATENT_SCALE)
    weight, bias = vae["quant_conv.weight"].clone(), vae["quant_conv.bias"].clone()
    weight[:4] *= factor[:, None, None, None]
    bias[:4] = (bias[:4] - shift) * factor
    bias[4:] += 2 * factor.log()  # the log variances
    out["quant_conv.weight"], out["quant_conv.bias"] = weight, bias
    post = vae["post_quant_conv.weight"]
    out["post_quant_conv.weight"] = post / factor[None, :, None, None]
    out["post_quant_conv.bias"] = vae["post_quant_conv.bias"] + post[:, :, 0, 0] @ shift
    return out


def widen(text: State) -> State:
    """The text encoder with CLIP's full token table: every word that was not taught gets the shared row."""
    out = {k.removeprefix("text_model."): v for k, v in text.items() if not k.endswith("position_ids")}
    short = out["embeddings.token_embedding.weight"]
    full = short[UNTAUGHT].expand(TOKENS, TEXT_WIDTH).clone()
    for row, token in enumerate(clip_ids()):
        if token >= 0:
            full[token] = short[row]
    out["embeddings.token_embedding.weight"] = full
    return out


def half(state: State) -> State:
    return {k: v.half().contiguous() for k, v in state.items()}


def checkpoint(unet: State, text: State, vae: State) -> State:
    """One SD1.x single-file state dict from diffusers' and transformers' states; `v_pred` tells the prediction."""
    names = unet_names(unet)
    out = {f"model.diffusion_model.{names[k]}": v for k, v in unet.items()}
    out |= {f"{TEXT}{k}": v for k, v in text.items()}
    for k, v in vae.items():
        name = vae_name(k)
        out[f"first_stage_model.{name}"] = v[:, :, None, None] if ".attn_1." in name and v.ndim == 2 else v
    return {**half(out), "v_pred": torch.empty(0)}


def controlnet(control: State) -> State:
    """ControlNet 1.0's layout: `control_model.*`."""
    names = control_names(control)
    return half({f"control_model.{names[k]}": v for k, v in control.items()})


def write(state: State, file: Path, title: str) -> None:
    """Saves one safetensors file, its folder included, and prints its size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, str(file), metadata={**ABOUT, "modelspec.title": title})
    file.chmod(0o644)
    print(f"{file.name}: {file.stat().st_size:,} bytes, {len(state)} tensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trained", type=Path, required=True, help="folder with vae, unet, control, lora and upscale")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    load = lambda name: torch.load(args.trained / name, weights_only=True)  # noqa: E731
    both = load("unet/ema.pt")
    norm = load("vae/norm.pt")
    unet = {k.removeprefix("unet."): v for k, v in both.items() if k.startswith("unet.")}
    text = {k.removeprefix("text."): v for k, v in both.items() if k.startswith("text.")}
    refined = "decoder/ema.pt" if (args.trained / "decoder" / "ema.pt").exists() else "vae/ema.pt"
    vae = fold(load(refined), norm["shift"], norm["scale"])
    base = checkpoint(unet, widen(text), vae)
    write(base, args.weights / "checkpoints" / "tiny.safetensors", "dagfusion tiny")
    for source, name, make in (
        ("control/ema.pt", "controlnet/tiny_canny", controlnet),
        ("lora/kohya.pt", "loras/tiny_style", half),
        ("upscale/ema.pt", "upscale_models/tiny_upscale_x2", half),
    ):
        if (args.trained / source).exists():
            write(make(load(source)), args.weights / f"{name}.safetensors", f"dagfusion {Path(name).name}")


if __name__ == "__main__":
    main()
