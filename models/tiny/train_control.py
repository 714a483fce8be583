"""Trains the edge ControlNet on a frozen UNet: scenes of any place and size, which the caption does not tell."""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.tiny.loop import Plan, train
from models.tiny.parts import build_controlnet, build_text, build_unet
from models.tiny.scenes import SIZE_PX, Scene, Thing, edges, sample_scene, triples
from models.tiny.train_unet import Latents, alphas, load_latents, load_vae, noised, word
from models.tiny.train_vae import encode
from models.tiny.words import ROWS


def free_scene(rng: np.random.Generator, held_out: bool = False) -> Scene:
    """One thing of any size anywhere in the picture, or now and then an ordinary scene."""
    if rng.random() < 0.3:
        return sample_scene(rng, held_out)
    pool = triples(held_out)
    colour, shape, background = pool[rng.integers(len(pool))]
    radius = rng.uniform(15, 46)
    x, y = rng.uniform(radius + 6, SIZE_PX - radius - 6, size=2)
    return Scene(background, (Thing(colour, shape, float(x), float(y), float(radius)),))


def load_pair(folder: Path) -> tuple[nn.Module, nn.Module]:
    """The trained UNet and text encoder, frozen."""
    both = nn.ModuleDict({"unet": build_unet(), "text": build_text(ROWS)})
    both.load_state_dict(torch.load(folder / "ema.pt"))
    both.requires_grad_(False).eval()
    return both["unet"], both["text"]


def load_controlled(folder: Path, number: int, norm: Latents) -> tuple[Latents, NDArray[np.uint8]]:
    """Free scenes, their latents, and their edges packed eight pixels a byte; made on first use."""
    file = folder / f"control_{number}.pt"
    if not file.exists():
        rng = np.random.default_rng(11)
        scenes = [free_scene(rng) for _ in range(number)]
        hints = np.stack([np.packbits(edges(s)[:, :, 0] > 0, axis=1) for s in scenes])
        torch.save({"scenes": scenes, "moments": encode(load_vae(folder), scenes).half(), "hints": hints}, file)
    held = torch.load(file, weights_only=False)
    return replace(norm, scenes=held["scenes"], moments=held["moments"]), held["hints"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--unet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--cooldown", type=int, default=500)
    parser.add_argument("--scenes", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--minutes", type=float, default=math.inf, help="ends this run too, cooled down")
    args = parser.parse_args()
    latents, hints = load_controlled(args.vae, args.scenes, load_latents(args.vae))
    unet, text = load_pair(args.unet)
    torch.manual_seed(0)
    control = build_controlnet(unet).requires_grad_(True)
    table = alphas()

    def loss(_step: int, rng: np.random.Generator) -> Tensor:
        chosen = rng.integers(len(latents.scenes), size=args.batch)
        shown, steps, target = noised(latents.draw(torch.from_numpy(chosen)), table)
        tokens = word([latents.scenes[i] for i in chosen], rng)
        hint = torch.from_numpy(np.unpackbits(hints[chosen], axis=2)).float()[:, None].expand(-1, 3, -1, -1)
        with torch.autocast("cpu", torch.bfloat16):
            context = text(tokens).last_hidden_state
            down, mid = control(shown, steps, context, hint, return_dict=False)
            found = unet(
                shown, steps, context, down_block_additional_residuals=down, mid_block_additional_residual=mid
            ).sample
        return F.mse_loss(found.float(), target)

    train(
        control,
        loss,
        Plan(
            args.out,
            args.steps,
            args.rate,
            warmup=20,
            cooldown=args.cooldown,
            ema=0.99,
            minutes=args.minutes,
            muon=True,
        ),
    )


if __name__ == "__main__":
    main()
