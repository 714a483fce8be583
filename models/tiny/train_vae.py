"""Trains the autoencoder on scenes, a quarter of them in arbitrary colours, and encodes the scenes the UNet learns."""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from models.tiny.loop import Plan, share_cores, train
from models.tiny.parts import VAE_CHANNELS, build_vae
from models.tiny.scenes import SIZE_PX, Scene, random_palette, render, sample_scene
from models.tiny.vae_start import prepare


def to_tensor(pictures: list[NDArray[np.uint8]]) -> Tensor:
    """uint8[H, W, 3] pictures as one float[B, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def draw_pictures(rng: np.random.Generator, number: int, side_px: int) -> Tensor:
    """Training pictures: filled scenes, some outlines, some in colours that have no name."""
    pictures = []
    for _ in range(number):
        style = "outline" if rng.random() < 0.12 else "filled"
        palette = random_palette(rng) if rng.random() < 0.25 else None
        pictures.append(render(sample_scene(rng, shares=(0.4, 0.4, 0.2)), style, side_px, palette))
    return to_tensor(pictures)


def contours(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Differences to the right and lower neighbour."""
    return pictures[..., 1:] - pictures[..., :-1], pictures[..., 1:, :] - pictures[..., :-1, :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--cooldown", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--channels", type=int, nargs="+", default=VAE_CHANNELS)
    parser.add_argument("--side", type=int, default=SIZE_PX, help="pixels; start at 64, which is four times as fast")
    parser.add_argument("--refine", type=Path, help="a trained folder: its decoder is trained on, with latents shaken")
    parser.add_argument("--minutes", type=float, default=math.inf, help="ends this run too, cooled down")
    args = parser.parse_args()
    torch.manual_seed(0)
    vae = build_vae(tuple(args.channels))
    shake = torch.zeros(4, 1, 1)
    if args.refine is None:
        prepare(vae, draw_pictures(np.random.default_rng(1), 32, args.side))
    else:
        vae.load_state_dict(torch.load(args.refine / "ema.pt"))
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
        shake = 0.06 * torch.load(args.refine / "norm.pt")["scale"][:, None, None]  # denoised latents are not exact

    def loss(step: int, rng: np.random.Generator) -> Tensor:
        pictures = draw_pictures(rng, args.batch, args.side)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.set_grad_enabled(args.refine is None):
                posterior = vae.encode(pictures).latent_dist
                latents = posterior.sample()
            found = vae.decode(latents + shake * torch.randn_like(latents)).sample
        found = found.float()
        error = F.l1_loss(found, pictures) + F.mse_loss(found, pictures)
        edge = sum(F.l1_loss(a, b) for a, b in zip(contours(found), contours(pictures), strict=True))
        if step % 50 == 0:
            psnr_db = 6.02 - 10 * float(torch.log10(F.mse_loss(found.detach(), pictures)))
            print(f"step {step} psnr {psnr_db:.2f}", flush=True)
        return error + edge + 1e-6 * posterior.kl().mean() / 4

    train(
        vae,
        loss,
        Plan(args.out, args.steps, args.rate, warmup=100, cooldown=args.cooldown, ema=0.99, minutes=args.minutes),
    )


def encode(vae: torch.nn.Module, scenes: list[Scene], style: str = "filled") -> Tensor:
    """The posterior means and standard deviations of the scenes' pictures: float[N, 8, 16, 16]."""
    found = []
    vae.to(memory_format=torch.channels_last)  # a good third faster on CPUs
    for start in range(0, len(scenes), 64):
        share_cores()
        pictures = to_tensor([render(s, style) for s in scenes[start : start + 64]])
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            posterior = vae.encode(pictures).latent_dist
        found.append(torch.cat([posterior.mean, posterior.std], 1).float())
    return torch.cat(found)


if __name__ == "__main__":
    main()
