"""Trains a small 2x upscaler of the Compact architecture (SRVGGNetCompact, Wang et al. 2021, arXiv:2107.10833)."""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from models.tiny.loop import Plan, train
from models.tiny.scenes import random_palette, render, sample_scene
from models.tiny.train_vae import contours

WIDTH, LAYERS, SCALE = 24, 6, 2
CROP_PX = 40


class Compact(nn.Module):
    """3x3 convolutions with PReLU in `body`, then pixel shuffle on top of the repeated pixels; [0, 1] in and out."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, WIDTH, 3, padding=1), nn.PReLU(WIDTH)]
        for _ in range(LAYERS):
            layers += [nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.PReLU(WIDTH)]
        self.body = nn.Sequential(*layers, nn.Conv2d(WIDTH, 3 * SCALE**2, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """float[B, 3, h, w] to float[B, 3, 2h, 2w]."""
        return F.pixel_shuffle(self.body(x), SCALE) + F.interpolate(x, scale_factor=SCALE, mode="nearest")


def draw_pair(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A crop at 128x128 scale, at times blurred or noisy as decoded pictures are, and the same at 256x256 scale."""
    palette = random_palette(rng) if rng.random() < 0.5 else None
    style = "outline" if rng.random() < 0.25 else "filled"
    large = Image.fromarray(render(sample_scene(rng), style, 256, palette))
    small = large.resize((128, 128), Image.Resampling.BOX)
    if rng.random() < 0.5:
        small = small.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    noise = rng.normal(0, rng.choice([0, 0.01]), size=(128, 128, 3))
    low = np.clip(np.asarray(small) / 255 + noise, 0, 1).astype(np.float32)
    high = np.asarray(large).astype(np.float32) / 255
    x, y = rng.integers(0, 128 - CROP_PX, size=2)
    low = low[y : y + CROP_PX, x : x + CROP_PX]
    high = high[2 * y : 2 * (y + CROP_PX), 2 * x : 2 * (x + CROP_PX)]
    return torch.from_numpy(low.copy()).permute(2, 0, 1), torch.from_numpy(high.copy()).permute(2, 0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--cooldown", type=int, default=500)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--start", type=Path, help="an exported upscaler to start from")
    parser.add_argument("--minutes", type=float, default=math.inf, help="ends this run too, cooled down")
    args = parser.parse_args()
    torch.manual_seed(0)
    model = Compact()
    if args.start is not None:
        model.load_state_dict({k: v.float() for k, v in load_file(args.start).items()})

    def loss(_step: int, rng: np.random.Generator) -> Tensor:
        pairs = [draw_pair(rng) for _ in range(args.batch)]
        low, high = torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs])
        found = model(low)
        edge = sum(F.l1_loss(a, b) for a, b in zip(contours(found), contours(high), strict=True))
        return F.l1_loss(found, high) + edge

    train(
        model,
        loss,
        Plan(
            args.out,
            args.steps,
            args.rate,
            warmup=50,
            cooldown=args.cooldown,
            ema=0.99,
            minutes=args.minutes,
            muon=True,
        ),
    )


if __name__ == "__main__":
    main()
