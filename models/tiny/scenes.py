"""Procedural scenes: coloured shapes on a plain background, the captions that tell them, and their pictures."""

import hashlib
import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIZE_PX = 128
OVERSAMPLING = 4

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 35),
    "orange": (250, 140, 20),
    "yellow": (250, 225, 40),
    "green": (30, 150, 50),
    "cyan": (60, 205, 220),
    "blue": (35, 65, 205),
    "purple": (125, 40, 165),
    "pink": (250, 140, 185),
    "white": (250, 250, 250),
    "black": (15, 15, 15),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "heart")
RELATIONS = ("left of", "right of", "above", "below")
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
NUMBERS = {2: "two", 3: "three"}
RADII_PX = {"small": 14.0, "": 27.0, "large": 42.0}

# Never drawn in training: one colour for every shape. The common colours of a shape stay in.
HELD_OUT_PAIRS = frozenset(
    {
        ("orange", "circle"),
        ("purple", "square"),
        ("cyan", "triangle"),
        ("pink", "star"),
        ("yellow", "cross"),
        ("white", "heart"),
    }
)

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Thing:
    """One shape: its colour, kind, centre and radius in pixels of the 128x128 picture."""

    colour: str
    shape: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """What is drawn. `relation` holds between the first and the second thing; `size` names a single thing's size."""

    background: str
    things: tuple[Thing, ...]
    relation: str = ""
    size: str = ""

    @property
    def kind(self) -> str:
        if self.relation:
            return "relation"
        return "single" if len(self.things) == 1 else "count"


def is_held_out(colour: str, shape: str, background: str) -> bool:
    """True for the held-out pairs, and for one in eight of the (colour, shape, background) triples, told by a hash."""
    if (colour, shape) in HELD_OUT_PAIRS:
        return True
    if (colour, shape, background) == ("red", "circle", "blue"):  # the README's first picture is a training scene
        return False
    digest = hashlib.sha256(f"{colour} {shape} on {background}".encode()).digest()
    return digest[0] < 32


def triples(held_out: bool) -> list[tuple[str, str, str]]:
    """All (colour, shape, background) on one side of the split, in a fixed order."""
    every = itertools.product(COLOURS, SHAPES, COLOURS)
    return [(c, s, b) for c, s, b in every if c != b and is_held_out(c, s, b) == held_out]


def outline(thing: Thing) -> Points:
    """The polygon of a thing in pixels; circles have 72 corners."""
    x, y, r = thing.x, thing.y, thing.radius
    if thing.shape == "square":
        h = r * 0.88
        return [(x - h, y - h), (x + h, y - h), (x + h, y + h), (x - h, y + h)]
    if thing.shape == "triangle":
        return [(x, y - r), (x + r, y + 0.8 * r), (x - r, y + 0.8 * r)]
    if thing.shape == "cross":
        a = r * 0.36
        corners = [(a, a), (a, r), (-a, r), (-a, a), (-r, a), (-r, -a), (-a, -a), (-a, -r), (a, -r), (a, -a), (r, -a)]
        return [(x + dx, y + dy) for dx, dy in [*corners, (r, a)]]
    if thing.shape == "star":
        steps = [(k * math.pi / 5, r * 1.1 if k % 2 == 0 else r * 0.45) for k in range(10)]
        return [(x + d * math.sin(a), y - d * math.cos(a)) for a, d in steps]
    turns = [2 * math.pi * k / 72 for k in range(72)]
    if thing.shape == "heart":
        return [
            (
                x + r * math.sin(t) ** 3,
                y - r / 16 * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)),
            )
            for t in turns
        ]
    return [(x + r * math.cos(t), y + r * math.sin(t)) for t in turns]


def render(
    scene: Scene,
    style: str = "filled",
    size_px: int = SIZE_PX,
    palette: dict[str, tuple[int, int, int]] | None = None,
) -> NDArray[np.uint8]:
    """The picture as uint8[size, size, 3], anti-aliased. Style `outline` draws coloured contours on white paper."""
    colours = palette or COLOURS
    scale = OVERSAMPLING * size_px / SIZE_PX
    side = OVERSAMPLING * size_px
    paper = colours[scene.background] if style == "filled" else (250, 250, 250)
    canvas = Image.new("RGB", (side, side), paper)
    draw = ImageDraw.Draw(canvas)
    for thing in scene.things:
        points = [(px * scale, py * scale) for px, py in outline(thing)]
        if style == "filled":
            draw.polygon(points, fill=colours[thing.colour])
        else:
            ink = (15, 15, 15) if thing.colour == "white" else colours[thing.colour]
            draw.line([*points, points[0], points[1]], fill=ink, width=round(4 * scale), joint="curve")
    return np.asarray(canvas.resize((size_px, size_px), Image.Resampling.BOX))


def edges(scene: Scene) -> NDArray[np.uint8]:
    """The edge control picture as uint8[128, 128, 3]: white one-pixel contours on black, as a Canny filter gives."""
    canvas = Image.new("L", (SIZE_PX, SIZE_PX), 0)
    covered = Image.new("L", (SIZE_PX, SIZE_PX), 0)
    for thing in scene.things:
        mask = Image.new("L", (SIZE_PX, SIZE_PX), 0)
        ImageDraw.Draw(mask).polygon(outline(thing), fill=255)
        grown = np.asarray(mask.filter(ImageFilter.MaxFilter(3)))
        canvas.paste(255, mask=Image.fromarray(np.where(np.asarray(mask) < grown, 255, 0).astype(np.uint8)))
        covered.paste(255, mask=mask)
    return np.repeat(np.asarray(canvas)[:, :, None], 3, axis=2)


def draw_single(rng: np.random.Generator, triple: tuple[str, str, str], size: str | None = None) -> Scene:
    """One thing near the middle; a size is drawn when none is asked for ('' is the middle size, not told in words)."""
    colour, shape, background = triple
    chosen = str(rng.choice(["", "small", "large"], p=[0.64, 0.18, 0.18])) if size is None else size
    radius = RADII_PX[chosen] * rng.uniform(0.92, 1.08)
    reach = {"small": 12.0, "": 8.0, "large": 3.0}[chosen]
    x, y = (SIZE_PX / 2 + rng.uniform(-reach, reach) for _ in range(2))
    return Scene(background, (Thing(colour, shape, x, y, radius),), size=chosen)


def draw_relation(rng: np.random.Generator, first: tuple[str, str, str], second: tuple[str, str, str]) -> Scene:
    """Two different things on the first one's background, in one of the four relations."""
    relation = str(rng.choice(RELATIONS))
    gap = rng.uniform(29, 33) * (-1 if relation in {"left of", "above"} else 1)
    slide = rng.uniform(-6, 6, size=2)
    centre = SIZE_PX / 2
    things = []
    for sign, (colour, shape, _) in ((1, first), (-1, second)):
        along, across = centre + sign * gap, centre + slide[0 if sign > 0 else 1]
        x, y = (along, across) if relation in {"left of", "right of"} else (across, along)
        things.append(Thing(colour, shape, x, y, 21 * rng.uniform(0.94, 1.06)))
    return Scene(first[2], tuple(things), relation=relation)


def draw_count(rng: np.random.Generator, triple: tuple[str, str, str], number: int) -> Scene:
    """Two or three equal things: two side by side, three in a triangle."""
    colour, shape, background = triple
    places = {2: [(-30.0, 0.0), (30.0, 0.0)], 3: [(0.0, -30.0), (-31.0, 27.0), (31.0, 27.0)]}[number]
    radius = {2: 22.0, 3: 20.0}[number] * rng.uniform(0.95, 1.05)
    dx, dy = rng.uniform(-4, 4, size=2)
    things = tuple(Thing(colour, shape, 64 + x + dx, 64 + y + dy, radius) for x, y in places)
    return Scene(background, things)


def sample_scene(
    rng: np.random.Generator,
    held_out: bool = False,
    shares: tuple[float, float, float] = (0.58, 0.32, 0.1),
) -> Scene:
    """A random scene of the training side (or the held-out side) of the split; shares of single, relation and count."""
    pool = triples(held_out)
    kind = rng.choice(3, p=shares)
    first = pool[rng.integers(len(pool))]
    if kind == 0:
        return draw_single(rng, first)
    if kind == 2:
        return draw_count(rng, first, int(rng.integers(2, 4)))
    partners = [t for t in pool if t[2] == first[2] and t[:2] != first[:2]]
    return draw_relation(rng, first, partners[rng.integers(len(partners))])


def random_palette(rng: np.random.Generator) -> dict[str, tuple[int, int, int]]:
    """Every name gets any colour: pictures from which the VAE learns colour in general."""
    return {name: tuple(int(v) for v in rng.integers(0, 256, size=3)) for name in COLOURS}  # type: ignore[misc]


def _article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def caption(scene: Scene, rng: np.random.Generator | None = None) -> str:
    """The plain wording, or with `rng` one of several wordings of the same scene."""
    pick = 0 if rng is None else int(rng.choice(4, p=[0.55, 0.15, 0.15, 0.15]))
    ground = _article(f"{scene.background} background")
    first = scene.things[0]
    if scene.kind == "count":
        what = f"{NUMBERS[len(scene.things)]} {first.colour} {first.shape}{'es' if first.shape == 'cross' else 's'}"
    elif scene.kind == "single":
        what = _article(f"{scene.size} {first.colour} {first.shape}".strip())
    else:
        what = _relation_phrase(scene, swap=rng is not None and bool(rng.random() < 0.4), long=pick % 2 == 1)
    bare = what.split(" ", 1)[1] if scene.kind != "count" else what
    return (
        f"{what} on {ground}",
        f"{bare} on {scene.background} background",
        f"{what}, {scene.background} background",
        f"a picture of {what} on {ground}",
    )[pick]


def _relation_phrase(scene: Scene, swap: bool, long: bool) -> str:
    a, b = scene.things
    relation = scene.relation
    if swap:  # "A left of B" and "B right of A" are one picture
        a, b, relation = b, a, OPPOSITE[relation]
    if long and relation.endswith("of"):
        relation = f"to the {relation}"
    return f"{_article(f'{a.colour} {a.shape}')} {relation} {_article(f'{b.colour} {b.shape}')}"


def without_held_out(scene: Scene) -> bool:
    """True if the scene may be trained on: no thing of it is held out on its background."""
    return not any(is_held_out(t.colour, t.shape, scene.background) for t in scene.things)


def mirrored(scene: Scene) -> Scene:
    """The scene seen in a mirror, with its relation named anew."""
    things = tuple(replace(t, x=SIZE_PX - t.x) for t in scene.things)
    sideways = scene.relation in {"left of", "right of"}
    return replace(scene, things=things, relation=OPPOSITE[scene.relation] if sideways else scene.relation)
