"""Reads a picture back into a scene: background, connected shapes, their colours, kinds and places."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from models.tiny.scenes import COLOURS, SHAPES, SIZE_PX, Scene, Thing, outline

CANVAS_PX = 48
FOREGROUND = 60.0  # distance in RGB from the background, of 442
SMALLEST_PX = 60  # area below which a spot is no shape

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Seen:
    """One thing found in a picture; `fit` is the overlap (IoU) with the best shape's template."""

    colour: str
    shape: str
    x: float
    y: float
    fit: float


def nearest_colour(rgb: NDArray[np.float64]) -> str:
    """The name of the closest colour of the palette."""
    return min(COLOURS, key=lambda name: float(np.linalg.norm(rgb - np.array(COLOURS[name]))))


def ground_of(picture: Picture) -> NDArray[np.float64]:
    """The median colour of an eight-pixel frame."""
    inside = np.zeros(picture.shape[:2], dtype=bool)
    inside[8:-8, 8:-8] = True
    return np.median(picture[~inside].astype(np.float64), axis=0)


def foreground(picture: Picture) -> Mask:
    """Pixels that are unlike the background, specks left out."""
    distance = np.linalg.norm(picture.astype(np.float64) - ground_of(picture), axis=2)
    return np.asarray(ndimage.binary_opening(distance > FOREGROUND, np.ones((2, 2))))


def framed(mask: Mask) -> Mask:
    """The mask's bounding box at 48x48, its proportions kept."""
    rows, columns = np.nonzero(mask)
    top, left = rows.min(), columns.min()
    height, width = rows.max() - top + 1, columns.max() - left + 1
    side = max(height, width)
    square = np.zeros((side, side), dtype=np.uint8)
    y, x = (side - height) // 2, (side - width) // 2
    square[y : y + height, x : x + width] = 255 * mask[top : top + height, left : left + width]
    small = Image.fromarray(square).resize((CANVAS_PX, CANVAS_PX), Image.Resampling.BILINEAR)
    return np.asarray(small) > 127


@cache
def templates() -> dict[str, Mask]:
    """One framed mask per shape."""
    found = {}
    for shape in SHAPES:
        canvas = Image.new("L", (SIZE_PX, SIZE_PX), 0)
        ImageDraw.Draw(canvas).polygon(outline(Thing("red", shape, 64, 64, 40)), fill=255)
        found[shape] = framed(np.asarray(canvas) > 0)
    return found


def overlap(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def read(picture: Picture) -> tuple[str, list[Seen]]:
    """The background's name and the things found, largest first, in uint8[128, 128, 3]."""
    labels, number = ndimage.label(foreground(picture))
    found = []
    for n in range(1, number + 1):
        mask = labels == n
        if mask.sum() < SMALLEST_PX:
            continue
        core = ndimage.binary_erosion(mask, iterations=2)
        colour = nearest_colour(np.median(picture[core if core.any() else mask].astype(np.float64), axis=0))
        fits = {shape: overlap(framed(ndimage.binary_fill_holes(mask)), t) for shape, t in templates().items()}
        shape = max(fits, key=lambda s: fits[s])
        y, x = ndimage.center_of_mass(mask)
        found.append((int(mask.sum()), Seen(colour, shape, x, y, fits[shape])))
    return nearest_colour(ground_of(picture)), [seen for _, seen in sorted(found, key=lambda f: -f[0])]


def holds(relation: str, first: Seen, second: Seen) -> bool:
    """Whether the first thing is where the words put it, seen from the second, by eight pixels at least."""
    dx, dy = first.x - second.x, first.y - second.y
    along = {"left of": -dx, "right of": dx, "above": -dy, "below": dy}[relation]
    across = abs(dy if relation in {"left of", "right of"} else dx)
    return along > max(8.0, across)


def marks(scene: Scene, picture: Picture) -> dict[str, bool]:
    """What of the scene the picture got right. `shape` and `colour` need every thing asked for, in the right pairs;
    `relation` needs the two things told apart by colour (by shape where both have one colour).
    """
    background, seen = read(picture)
    wanted = sorted((t.colour, t.shape) for t in scene.things)
    got = {
        "background": background == scene.background,
        "count": len(seen) == len(wanted),
        "colour": sorted(s.colour for s in seen) == sorted(c for c, _ in wanted),
        "shape": sorted(s.shape for s in seen) == sorted(s for _, s in wanted),
    }
    got["pairs"] = sorted((s.colour, s.shape) for s in seen) == wanted
    if scene.relation:
        got["relation"] = _relation_right(scene, seen)
    got["all"] = got["background"] and got["pairs"] and got.get("relation", True)
    return got


def _relation_right(scene: Scene, seen: list[Seen]) -> bool:
    a, b = scene.things
    by_shape = a.colour == b.colour
    told = [[s for s in seen if (s.shape == t.shape if by_shape else s.colour == t.colour)] for t in (a, b)]
    return all(told) and holds(scene.relation, told[0][0], told[1][0])
