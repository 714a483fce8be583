"""Trains the UNet and the text encoder together, by v-prediction, on the latents of scenes encoded once."""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.tiny.loop import Plan, train
from models.tiny.parts import build_text, build_unet, build_vae
from models.tiny.scenes import Scene, caption, sample_scene
from models.tiny.train_vae import encode
from models.tiny.words import ROWS, disturb, rows

STEPS = 1000


def alphas() -> Tensor:
    """SD1.5's cumulative products of alpha: float[1000]."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()


@dataclass
class Latents:
    """Encoded scenes. `moments` are float[N, 8, 16, 16]; `shift` and `scale` [4] bring latents to mean 0, spread 1."""

    scenes: list[Scene]
    moments: Tensor
    shift: Tensor
    scale: Tensor

    def draw(self, chosen: Tensor) -> Tensor:
        """Normalised samples of the posteriors: float[B, 4, 16, 16]."""
        mean, std = self.moments[chosen].float().chunk(2, 1)
        return (mean + std * torch.randn_like(mean) - self.shift[:, None, None]) / self.scale[:, None, None]


def load_vae(folder: Path) -> nn.Module:
    """The autoencoder with its mean weights."""
    vae = build_vae()
    vae.load_state_dict(torch.load(folder / "ema.pt"))
    return vae.eval().requires_grad_(False)


def load_latents(folder: Path, number: int = 6400) -> Latents:
    """Scenes of the training side and their latents, encoded on first use and kept beside the VAE."""
    file = folder / "latents.pt"
    if not file.exists():
        rng = np.random.default_rng(7)
        scenes = [sample_scene(rng, shares=(0.46, 0.42, 0.12)) for _ in range(number)]
        moments = encode(load_vae(folder), scenes).half()
        torch.save({"scenes": scenes, "moments": moments}, file)
        mean = moments[:, :4].float()
        torch.save({"shift": mean.mean((0, 2, 3)), "scale": mean.std((0, 2, 3))}, folder / "norm.pt")
    held = torch.load(file, weights_only=False)
    norm = torch.load(folder / "norm.pt")
    return Latents(held["scenes"], held["moments"], norm["shift"], norm["scale"])


def word(scenes: list[Scene], rng: np.random.Generator) -> Tensor:
    """Token rows of freshly worded captions; one in ten is dropped and one in eight is disturbed."""
    texts = []
    for scene in scenes:
        text = "" if rng.random() < 0.1 else caption(scene, rng)
        texts.append(disturb(text, rng) if rng.random() < 0.12 else text)
    return rows(texts)


def noised(clean: Tensor, table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Noised latents, their timesteps and the v target. One in twenty is pure noise at the last step: sampling starts
    there, but SD1.5's schedule leaves a little of the picture in it, which a small latent would betray.
    """
    steps = (STEPS * torch.rand(len(clean)) ** 0.7).long()  # more of the noisy ones, where layout is decided
    pure = torch.rand(len(clean)) < 0.05
    steps[pure] = STEPS - 1
    noise = torch.randn_like(clean)
    a, s = table[steps].sqrt()[:, None, None, None], (1 - table[steps]).sqrt()[:, None, None, None]
    shown = torch.where(pure[:, None, None, None], noise, a * clean + s * noise)
    return shown, steps, a * noise - s * clean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--cooldown", type=int, default=2000)
    parser.add_argument("--scenes", type=int, default=6400)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--minutes", type=float, default=math.inf, help="ends this run too, cooled down")
    parser.add_argument("--start", type=Path, help="a folder with ema.pt to start from, `reopen`'s for example")
    args = parser.parse_args()
    latents = load_latents(args.vae, args.scenes)
    torch.manual_seed(0)
    both = nn.ModuleDict({"unet": build_unet(), "text": build_text(ROWS)})
    if args.start is not None:
        both.load_state_dict(torch.load(args.start / "ema.pt"))
    table = alphas()

    def loss(_step: int, rng: np.random.Generator) -> Tensor:
        chosen = rng.integers(len(latents.scenes), size=args.batch)
        shown, steps, target = noised(latents.draw(torch.from_numpy(chosen)), table)
        tokens = word([latents.scenes[i] for i in chosen], rng)
        with torch.autocast("cpu", torch.bfloat16):
            context = both["text"](tokens).last_hidden_state
            found = both["unet"](shown, steps, context).sample
        return F.mse_loss(found.float(), target)

    train(
        both,
        loss,
        Plan(args.out, args.steps, args.rate, cooldown=args.cooldown, ema=0.998, minutes=args.minutes, muon=True),
    )


if __name__ == "__main__":
    main()
