"""What masks keep, whether edges are followed, whether the style changes, whether enlarging helps: in figures."""

import numpy as np
from PIL import Image
from scipy import ndimage

from models.tiny.drawing import Desk, Picture
from models.tiny.read_scene import foreground, read
from models.tiny.scenes import SHAPES, SIZE_PX, Scene, caption, edges, render, sample_scene
from models.tiny.train_control import free_scene

SEAM_PX = 8  # a latent pixel on either side of the mask's border belongs to both
Tally = dict[str, str]


def share(right: int, asked: int) -> str:
    """How many of how many, as `3/4 (75%)`."""
    return f"{right}/{asked} ({right / asked:.0%})"


def right_half() -> Picture:
    """A mask picture: the right half white."""
    mask = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    mask[:, SIZE_PX // 2 :] = 255
    return mask


def inpaint(desk: Desk, scenes: list[Scene]) -> Tally:
    """The second of two things side by side is painted anew, another one asked for in words.

    `outside`: mean change outside the mask but for the seam, in parts of 255, as `inpaint.json` saves it; `decoded`:
    before its last node puts the old pixels back, against the same picture merely encoded and decoded. `inside`: the
    change under the mask. `right`: how often the new thing has the colour, and the shape, asked for.
    """
    desk.put("mask", right_half())
    sums = np.zeros(3)
    right = {"colour": 0, "shape": 0}
    for seed, scene in enumerate(scenes):
        old = scene.things[0]
        colour = "white" if "white" not in {scene.background, old.colour} else "yellow"
        shape = next(s for s in SHAPES if s not in {t.shape for t in scene.things})
        told = f"a {old.colour} {old.shape} left of a {colour} {shape} on a {scene.background} background"
        changes = {
            "Picture.image": desk.put("scene", render(scene)),
            "Mask.image": "mask.png",
            "Positive.text": told,
            "Sampler.seed": seed,
        }
        start = render(scene).astype(float)
        whole = desk.draw("inpaint", changes).astype(float)
        decoded = desk.draw("inpaint", {**changes, "Save.images": ["9", 0]}).astype(float)
        again = desk.draw("inpaint", {**changes, "Decode.samples": ["6", 0], "Save.images": ["9", 0]}).astype(float)
        left, middle = np.s_[:, : SIZE_PX // 2 - SEAM_PX], np.s_[:, SIZE_PX // 2 + SEAM_PX :]
        sums += [
            np.abs(whole - start)[left].mean(),
            np.abs(decoded - again)[left].mean(),
            np.abs(whole - start)[middle].mean(),
        ]
        news = [seen for seen in read(whole.astype(np.uint8))[1] if seen.x > SIZE_PX / 2]
        right["colour"] += [seen.colour for seen in news] == [colour]
        right["shape"] += [seen.shape for seen in news] == [shape]
    found = dict(zip(("outside", "decoded", "inside"), sums / 255 / len(scenes), strict=True))
    return {k: f"{v:.4f}" for k, v in found.items()} | {k: share(v, len(scenes)) for k, v in right.items()}


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


def controlled(desk: Desk, number: int) -> Tally:
    """Edge F1 on held-out scenes of any place and size: with the edges as control picture, with the Canny node's edges
    of the true picture instead, without the ControlNet, and of the true picture itself.
    """
    rng = np.random.default_rng(21)
    sums: dict[str, list[float]] = {"with": [], "canny": [], "without": [], "render": []}
    for seed in range(number):
        scene = free_scene(rng, held_out=True)
        hint = edges(scene)
        told = {"Positive.text": caption(scene), "Sampler.seed": seed}
        asked = {**told, "Control picture.image": desk.put("hint", hint), "Apply ControlNet.image": ["4", 0]}
        found = {
            "with": desk.draw("controlnet", asked),
            "canny": desk.draw("controlnet", {**told, "Control picture.image": desk.put("scene", render(scene))}),
            "without": desk.draw("text_to_image", told),
            "render": render(scene),
        }
        for name, picture in found.items():
            sums[name].append(edge_f1(picture, hint))
    return {k: f"{np.mean(v):.3f}" for k, v in sums.items()}


def hollow(picture: Picture) -> bool:
    """Whether the picture shows contours on white paper."""
    mask = foreground(picture)
    return read(picture)[0] == "white" and mask.sum() < 0.7 * ndimage.binary_fill_holes(mask).sum()


def styled(desk: Desk, scenes: list[Scene]) -> Tally:
    """Share of outline drawings, without and with the LoRA, and how often the contour has the colour asked for."""
    found = {"plain": 0, "style": 0, "colour": 0}
    for seed, scene in enumerate(scenes):
        told = {"Positive.text": caption(scene), "Sampler.seed": seed}
        picture = desk.draw("lora", told)
        found["plain"] += hollow(desk.draw("text_to_image", told))
        found["style"] += hollow(picture)
        found["colour"] += scene.things[0].colour in {seen.colour for seen in read(picture)[1]}
    return {k: share(v, len(scenes)) for k, v in found.items()}


def enlarged(desk: Desk, number: int) -> Tally:
    """PSNR in dB of true scenes enlarged twofold, by the upscaler, by Lanczos and by repeated pixels,
    against those drawn at 256 pixels.
    """
    rng = np.random.default_rng(31)
    sums: dict[str, list[float]] = {"upscaler": [], "lanczos": [], "repeated": []}
    for _ in range(number):
        scene = sample_scene(rng, held_out=True)
        large = Image.fromarray(render(scene, size_px=2 * SIZE_PX))
        small = large.resize((SIZE_PX, SIZE_PX), Image.Resampling.BOX)
        name = desk.put("small", np.asarray(small))
        found = {
            "upscaler": desk.draw("upscale", {"Picture.image": name}),
            "lanczos": np.asarray(small.resize(large.size, Image.Resampling.LANCZOS)),
            "repeated": np.asarray(small.resize(large.size, Image.Resampling.NEAREST)),
        }
        for way, picture in found.items():
            error = np.mean((picture.astype(float) - np.asarray(large, float)) ** 2)
            sums[way].append(float(20 * np.log10(255) - 10 * np.log10(error)))
    return {k: f"{np.mean(v):.1f}" for k, v in sums.items()}
