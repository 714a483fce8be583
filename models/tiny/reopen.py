"""Turns a shipped checkpoint back into training folders, so that training goes on from a file and not from noise."""

import argparse
from pathlib import Path

import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from safetensors.torch import load_file

from models.tiny.export import TEXT, State
from models.tiny.parts import LATENT_SCALE, build_unet, build_vae
from models.tiny.words import UNTAUGHT, clip_ids

NOBODYS_TOKEN = 286  # "?", one of the words that share the untaught row


def vae_of(checkpoint: State) -> State:
    """The autoencoder as diffusers names it; its latents have spread 1 / 0.18215, which export folded in."""
    vae = build_vae()
    found = convert_ldm_vae_checkpoint(dict(checkpoint), dict(vae.config))
    return {k: v.reshape(vae.state_dict()[k].shape) for k, v in found.items()}


def pair_of(checkpoint: State) -> State:
    """UNet and text encoder under the trainer's names, the token table cut to the rows that are trained."""
    unet = convert_ldm_unet_checkpoint(dict(checkpoint), dict(build_unet().config))
    text = {k.removeprefix(TEXT): v for k, v in checkpoint.items() if k.startswith(TEXT)}
    ids = torch.tensor(clip_ids())
    ids[UNTAUGHT] = NOBODYS_TOKEN
    text["embeddings.token_embedding.weight"] = text["embeddings.token_embedding.weight"][ids]
    return {**{f"unet.{k}": v for k, v in unet.items()}, **{f"text.{k}": v for k, v in text.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="an exported tiny.safetensors")
    parser.add_argument("--out", type=Path, required=True, help="gets vae/ema.pt, vae/norm.pt and start/ema.pt")
    args = parser.parse_args()
    state = {k: v.float() for k, v in load_file(args.checkpoint).items()}
    for folder in ("vae", "start"):
        (args.out / folder).mkdir(parents=True, exist_ok=True)
    torch.save(vae_of(state), args.out / "vae" / "ema.pt")
    torch.save(
        {"shift": torch.zeros(4), "scale": torch.full((4,), 1 / LATENT_SCALE)},
        args.out / "vae" / "norm.pt",
    )
    torch.save(pair_of(state), args.out / "start" / "ema.pt")


if __name__ == "__main__":
    main()
