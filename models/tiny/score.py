"""Measures the shipped files: what prompts draw, what masks keep, whether edges are followed, whether style changes."""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from models.tiny.load import Picture, open_control, open_family
from models.tiny.read_scene import foreground, marks, read
from models.tiny.sample import Family, denoiser, noise_of, sample
from models.tiny.scenes import (
    HELD_OUT_PAIRS,
    Scene,
    caption,
    draw_count,
    draw_relation,
    draw_single,
    edges,
    render,
    triples,
)
from models.tiny.train_control import free_scene

Tally = dict[str, str]


def prompts(number: int, seed: int, pairs: bool) -> list[Scene]:
    """Scenes nobody trained on: half of them single things, four in ten relations, one in ten counts.

    With `pairs`, every thing's colour and shape never met in training; without, each did, on other backgrounds.
    """
    rng = np.random.default_rng(seed)
    pool = [t for t in triples(held_out=True) if (t[:2] in HELD_OUT_PAIRS) == pairs]
    found = []
    for n in range(number):
        first = pool[rng.integers(len(pool))]
        partners = [t for t in pool if t[2] == first[2] and t[:2] != first[:2]]
        if n % 10 < 5 or (n % 10 < 9 and not partners):
            found.append(draw_single(rng, first, size=""))
        elif n % 10 < 9:
            found.append(draw_relation(rng, first, partners[rng.integers(len(partners))]))
        else:
            found.append(draw_count(rng, first, int(rng.integers(2, 4))))
    return found


def draw(family: Family, scenes: list[Scene], seed: int, guidance: float, steps: int) -> list[Picture]:
    """One picture per scene, by its plain caption; seeds count up from `seed`."""
    found: list[Picture] = []
    for start in range(0, len(scenes), 25):
        part = scenes[start : start + 25]
        clean = denoiser(family, [caption(s) for s in part], guidance)
        noise = noise_of([seed + start + n for n in range(len(part))])
        found.extend(family.decode(sample(clean, noise, steps)))
    return found


def tally(scenes: list[Scene], pictures: list[Picture]) -> Tally:
    """Share of right pictures per question, as "right/asked"."""
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for scene, picture in zip(scenes, pictures, strict=True):
        for name, good in marks(scene, picture).items():
            for key in (name, f"{scene.kind}.{name}") if name in {"all", "shape", "colour"} else (name,):
                right[key] += good
                asked[key] += 1
    return {k: f"{right[k]}/{asked[k]} ({right[k] / asked[k]:.0%})" for k in asked}


def inpaint(family: Family, number: int, guidance: float, steps: int) -> Tally:
    """The right half is repainted with another thing. `outside`: mean change of the left half (the pixels outside the
    mask, eight pixels of seam left out) against the same picture merely encoded and decoded, in parts of 255.
    """
    scenes = prompts(number, seed=5, pairs=False)
    start = np.stack([render(s) for s in scenes])
    wanted = [
        f"a {'white' if s.background != 'white' else 'red'} circle on a {s.background} background" for s in scenes
    ]
    latents = family.encode(start)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 8:] = 1
    clean = denoiser(family, wanted, guidance)
    got = family.decode(sample(clean, noise_of(list(range(number))), steps, kept=(latents, mask)))
    again = family.decode(latents)
    change = np.abs(got.astype(float) - again.astype(float)) / 255
    return {"outside": f"{change[:, :, :56].mean():.4f}", "inside": f"{change[:, :, 72:].mean():.4f}"}


def edge_f1(picture: Picture, hint: Picture, reach: int = 2) -> float:
    """F1 of the picture's contours against the control picture's, with `reach` pixels of tolerance."""
    mask = foreground(picture)
    drawn = mask ^ ndimage.binary_erosion(mask)
    asked = hint[:, :, 0] > 0
    near_asked = ndimage.distance_transform_edt(~asked) <= reach
    near_drawn = ndimage.distance_transform_edt(~drawn) <= reach if drawn.any() else np.zeros_like(drawn)
    precision = (drawn & near_asked).sum() / max(1, drawn.sum())
    recall = (asked & near_drawn).sum() / asked.sum()
    return float(2 * precision * recall / max(1e-9, precision + recall))


def controlled(family: Family, weights: Path, number: int, guidance: float, steps: int) -> Tally:
    """Edge F1 with and without the ControlNet, and that of a true render, on held-out scenes of any place and size."""
    rng = np.random.default_rng(21)
    scenes = [free_scene(rng, held_out=True) for _ in range(number)]
    hints = np.stack([edges(s) for s in scenes])
    hint = torch.from_numpy(hints).permute(0, 3, 1, 2).float() / 255
    noise = noise_of(list(range(300, 300 + number)))
    captions = [caption(s) for s in scenes]
    control = open_control(weights, family.unet)
    with_it = family.decode(sample(denoiser(family, captions, guidance, control, hint), noise, steps))
    without = family.decode(sample(denoiser(family, captions, guidance), noise, steps))
    rows = {"with": with_it, "without": without, "render": [render(s) for s in scenes]}
    return {k: f"{np.mean([edge_f1(p, h) for p, h in zip(v, hints, strict=True)]):.3f}" for k, v in rows.items()}


def styled(plain: Family, style: Family, number: int, guidance: float, steps: int) -> Tally:
    """Share of pictures on white paper whose shapes are hollow, without and with the LoRA."""
    scenes = [s for s in prompts(3 * number, seed=9, pairs=False) if s.kind == "single" and s.background != "white"]
    found = {}
    for name, family in (("plain", plain), ("style", style)):
        pictures = draw(family, scenes[:number], 700, guidance, steps)
        hollow = 0
        for picture in pictures:
            mask = foreground(picture)
            filled = ndimage.binary_fill_holes(mask)
            hollow += read(picture)[0] == "white" and mask.sum() < 0.7 * filled.sum()
        found[name] = f"{hollow}/{len(pictures)}"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path(__file__).parent / "weights")
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--only", nargs="+", default=["truth", "prompts", "pairs", "inpaint", "control", "style"])
    args = parser.parse_args()
    how = (args.guidance, args.steps)
    family = open_family(args.weights, args.vocabulary)
    scenes = prompts(args.number, seed=1, pairs=False)
    few = max(4, args.number // 5)
    unmet = prompts(few, seed=2, pairs=True)
    tasks = {
        "truth": lambda: tally(scenes, [render(s) for s in scenes]),
        "prompts": lambda: tally(scenes, draw(family, scenes, 1000, *how)),
        "pairs": lambda: tally(unmet, draw(family, unmet, 5000, *how)),
        "inpaint": lambda: inpaint(family, few, *how),
        "control": lambda: controlled(family, args.weights, few, *how),
        "style": lambda: styled(family, open_family(args.weights, args.vocabulary, lora=1.0), few, *how),
    }
    for name in args.only:
        print(name, tasks[name](), flush=True)


if __name__ == "__main__":
    main()
