"""Measures the shipped files through the engine: what prompts draw, masks, edges, style, enlarging; prints figures."""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from models.tiny.drawing import WEIGHTS, Desk, Picture
from models.tiny.measures import Tally, controlled, enlarged, inpaint, share, styled
from models.tiny.read_scene import marks
from models.tiny.scenes import HELD_OUT_PAIRS, Scene, caption, draw_count, draw_relation, draw_single, render, triples


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


def tally(scenes: list[Scene], pictures: list[Picture]) -> Tally:
    """Share of right pictures per question."""
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for scene, picture in zip(scenes, pictures, strict=True):
        for name, good in marks(scene, picture).items():
            for key in (name, f"{scene.kind}.{name}") if name in {"all", "shape", "colour"} else (name,):
                right[key] += good
                asked[key] += 1
    return {k: share(right[k], asked[k]) for k in asked}


def told(desk: Desk, scenes: list[Scene], seed: int) -> Tally:
    """The tally of `text_to_image.json` on the scenes' plain captions; seeds count up from `seed`."""
    return tally(scenes, [desk.tell(caption(scene), seed + n) for n, scene in enumerate(scenes)])


def side_by_side(number: int) -> list[Scene]:
    """Held-out scenes of two things next to each other, the first on the left."""
    scenes = [s for s in prompts(20 * number, seed=5, pairs=False) if s.relation == "left of"]
    return scenes[:number]


def single_on_colour(number: int) -> list[Scene]:
    """Held-out scenes of one thing, neither it nor the background white."""
    scenes = prompts(6 * number, seed=9, pairs=False)
    single = [s for s in scenes if s.kind == "single" and "white" not in {s.background, s.things[0].colour}]
    return single[:number]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--number", type=int, default=200, help="prompts; a fifth of that for the other measures")
    parser.add_argument("--seeds", type=int, default=2, help="how often the prompts are drawn, each with other seeds")
    names = ("truth", "prompts", "pairs", "inpaint", "control", "style", "upscale")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    args = parser.parse_args()
    scenes = prompts(args.number, seed=1, pairs=False)
    few = max(4, args.number // 5)
    unmet = prompts(few, seed=2, pairs=True)
    with Desk(args.weights) as desk:
        tasks = {
            "truth": lambda: tally(scenes, [render(s) for s in scenes]),
            "prompts": lambda: told(desk, scenes * args.seeds, 1000),
            "pairs": lambda: told(desk, unmet * args.seeds, 5000),
            "inpaint": lambda: inpaint(desk, side_by_side(few)),
            "control": lambda: controlled(desk, few),
            "style": lambda: styled(desk, single_on_colour(few)),
            "upscale": lambda: enlarged(desk, few),
        }
        for name in args.only:
            print(name, tasks[name](), flush=True)


if __name__ == "__main__":
    main()
