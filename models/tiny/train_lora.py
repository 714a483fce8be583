"""Trains a LoRA (Hu et al. 2021, arXiv:2106.09685) that draws outlines on white paper, and names it as kohya does."""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.tiny.ldm_names import lora_name
from models.tiny.loop import Plan, train
from models.tiny.train_control import load_pair
from models.tiny.train_unet import alphas, load_latents, load_vae, noised, word
from models.tiny.train_vae import encode

RANK = 2
TARGETS = ("attn1.", "attn2.", "ff.net", "conv1", "conv2")


class Low(nn.Module):
    """`module` plus a change of low rank; the 3x3 convolutions get a 3x3 and a 1x1 one, as kohya's LoCon does."""

    def __init__(self, module: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.module = module
        if isinstance(module, nn.Conv2d):
            self.down: nn.Module = nn.Conv2d(module.in_channels, RANK, 3, padding=1, bias=False)
            self.up: nn.Module = nn.Conv2d(RANK, module.out_channels, 1, bias=False)
        else:
            self.down = nn.Linear(module.in_features, RANK, bias=False)
            self.up = nn.Linear(RANK, module.out_features, bias=False)
        nn.init.zeros_(self.up.weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor, *_: object) -> Tensor:
        return self.module(x) + self.up(self.down(x))


def add_low_rank(unet: nn.Module) -> dict[str, Low]:
    """Puts a Low in the place of every targeted layer; returns them by the layer's name."""
    found = {}
    for name, module in list(unet.named_modules()):
        if isinstance(module, nn.Linear | nn.Conv2d) and any(t in name for t in TARGETS):
            parent, _, leaf = name.rpartition(".")
            found[name] = Low(module)
            setattr(unet.get_submodule(parent), leaf, found[name])
    return found


def kohya(state: dict[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """`state` holds `<number>.down.weight` and `<number>.up.weight` of the names in order."""
    out = {}
    for number, name in enumerate(names):
        out[f"{lora_name(name)}.lora_down.weight"] = state[f"{number}.down.weight"]
        out[f"{lora_name(name)}.lora_up.weight"] = state[f"{number}.up.weight"]
        out[f"{lora_name(name)}.alpha"] = torch.tensor(float(RANK))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--unet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--cooldown", type=int, default=200)
    parser.add_argument("--scenes", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--minutes", type=float, default=math.inf, help="ends this run too, cooled down")
    args = parser.parse_args()
    norm = load_latents(args.vae)
    scenes = norm.scenes[: args.scenes]
    file = args.vae / f"outlines_{args.scenes}.pt"
    if not file.exists():
        torch.save(encode(load_vae(args.vae), scenes, "outline").half(), file)
    latents = replace(norm, scenes=scenes, moments=torch.load(file))
    unet, text = load_pair(args.unet)
    torch.manual_seed(0)
    low = add_low_rank(unet)
    trained = nn.ModuleList(low.values())
    for layer in low.values():
        layer.down.requires_grad_(True)
        layer.up.requires_grad_(True)
    table = alphas()

    def loss(_step: int, rng: np.random.Generator) -> Tensor:
        chosen = rng.integers(len(scenes), size=args.batch)
        shown, steps, target = noised(latents.draw(torch.from_numpy(chosen)), table)
        tokens = word([scenes[i] for i in chosen], rng)
        with torch.autocast("cpu", torch.bfloat16):
            found = unet(shown, steps, text(tokens).last_hidden_state).sample
        return F.mse_loss(found.float(), target)

    plan = Plan(
        args.out,
        args.steps,
        args.rate,
        warmup=30,
        cooldown=args.cooldown,
        ema=0.99,
        weight_decay=0,
        minutes=args.minutes,
    )
    train(trained, loss, plan)
    torch.save(kohya(torch.load(args.out / "ema.pt"), list(low)), args.out / "kohya.pt")


if __name__ == "__main__":
    main()
