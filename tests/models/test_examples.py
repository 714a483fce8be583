"""The point of each example graph shows in what it draws, with the files that ship."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.tiny.drawing import GRAPHS, Desk, read_graph
from models.tiny.measures import hollow
from models.tiny.read_scene import Seen, foreground, overlap, read

Picture = NDArray[np.uint8]
EXAMPLE, MASK = GRAPHS / "input" / "example.png", GRAPHS / "input" / "example_mask.png"
SEAM_PX = 16  # a latent pixel and the mask's feathering on either side of its border
# What they name is not embedded; that they run is shown on stand-ins (tests/nodes/test_graphs.py).
NOT_EMBEDDED = {"controlnet_union", "sdxl_base_refiner", "two_models"}


@pytest.fixture(scope="module")
def examples(desk: Desk) -> Desk:
    for picture in (EXAMPLE, MASK):
        shutil.copy(picture, desk.folders.input)
    return desk


def picture_of(path: Path) -> Picture:
    return np.asarray(Image.open(path).convert("RGB"))


def half_size(picture: Picture) -> Picture:
    image = Image.fromarray(picture)
    return np.asarray(image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX))


def enlarged(picture: Picture) -> Picture:
    image = Image.fromarray(picture)
    return np.asarray(image.resize((2 * image.width, 2 * image.height), Image.Resampling.BICUBIC))


def things(picture: Picture) -> list[tuple[str, str]]:
    return [(seen.colour, seen.shape) for seen in read(picture)[1]]


def contrast_at_edges(picture: Picture) -> float:
    """The steepest steps between neighbours, one in two hundred: high where edges are sharp."""
    steps = np.abs(np.diff(picture.astype(float), axis=1)).sum(axis=2)
    return float(np.percentile(steps, 99.5))


def text_to_image(desk: Desk) -> None:
    assert things(desk.draw("text_to_image", {})) == [("red", "circle")]


def image_to_image(desk: Desk) -> None:
    """The prompt's square has the place of the picture's circle."""
    background, (found, *_) = read(desk.draw("image_to_image", {}))
    (before, *_) = read(picture_of(EXAMPLE))[1]
    assert (background, found.colour, found.shape) == ("white", "green", "square")
    assert _distance(found, before) < 8


def inpaint(desk: Desk) -> None:
    """What the mask leaves out stays bit for bit; what it covers is drawn anew."""
    before, after = picture_of(EXAMPLE), desk.draw("inpaint", {})
    kept = picture_of(MASK)[:, :, 0] == 0
    assert np.array_equal(before[kept], after[kept])
    assert things(after) == [("yellow", "star")]


def outpaint(desk: Desk) -> None:
    """The picture stays bit for bit, but for the seam; what is new goes on in its colour."""
    before, after = picture_of(EXAMPLE), desk.draw("outpaint", {})
    width = before.shape[1]
    assert after.shape == (before.shape[0], width + 64, 3)
    kept = np.s_[:, : width - SEAM_PX]
    assert np.array_equal(before[kept], after[kept])
    assert things(after) == things(before)
    assert read(np.ascontiguousarray(after[:, width:]))[0] == "blue"


def controlnet(desk: Desk) -> None:
    """The thing stands where the control picture has it, which it does not without the ControlNet."""
    asked = foreground(picture_of(EXAMPLE))
    followed = overlap(foreground(desk.draw("controlnet", {})), asked)
    ignored = overlap(foreground(desk.draw("controlnet", {"Apply ControlNet.strength": 0.0})), asked)
    assert followed > 0.9 > ignored + 0.1


def controlnet_several(desk: Desk) -> None:
    """Both have an effect, and the first one leads."""
    both = desk.draw("controlnet_several", {})
    one = desk.draw("controlnet_several", {"Apply the second ControlNet.strength": 0.0})
    other = desk.draw("controlnet_several", {"Apply ControlNet.strength": 0.0})
    assert not np.array_equal(both, one) and not np.array_equal(both, other)
    assert overlap(foreground(both), foreground(picture_of(EXAMPLE))) > 0.9


def lora(desk: Desk) -> None:
    """The style is outlines on white."""
    assert hollow(desk.draw("lora", {}))
    plain = {"Load LoRA.strength_model": 0.0, "Load LoRA.strength_clip": 0.0}
    assert not hollow(desk.draw("lora", plain))


def hires(desk: Desk) -> None:
    """The same thing at twice the size, sharper than the small one enlarged."""
    large = desk.draw("hires", {})
    assert large.shape == (256, 256, 3)
    assert things(half_size(large)) == [("red", "circle")]
    small = desk.draw("hires", {"Decode.samples": ["5", 0]})
    assert contrast_at_edges(large) > 1.2 * contrast_at_edges(enlarged(small))


def upscale(desk: Desk) -> None:
    """The same picture at twice the size, sharper than interpolated, without the steps of repeated pixels."""
    before, after = picture_of(EXAMPLE), desk.draw("upscale", {})
    assert after.shape == (256, 256, 3)
    assert np.abs(half_size(after).astype(float) - before).mean() < 3
    assert _stairs(after) < 0.7 * _stairs(before.repeat(2, axis=0).repeat(2, axis=1))
    assert contrast_at_edges(after) > contrast_at_edges(enlarged(before))


def regional_prompts(desk: Desk) -> None:
    """Each half has what its prompt says."""
    picture = desk.draw("regional_prompts", {})
    left, right = (np.ascontiguousarray(half) for half in np.split(picture, 2, axis=1))
    assert things(left) == [("red", "circle")]
    assert things(right) == [("green", "square")]


def video_from_frames(desk: Desk) -> None:
    """As many different frames as were drawn."""
    import av

    workflow = read_graph("video_from_frames")
    result = desk.engine.run(workflow)
    saved = next(iter(result.outputs.values())).shown["images"][0]
    size = workflow.nodes["4"].inputs["batch_size"]
    with av.open(desk.folders.output / saved.subfolder / saved.filename) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == size
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(frames))


POINTS: dict[str, Callable[[Desk], None]] = {
    check.__name__: check
    for check in (
        text_to_image,
        image_to_image,
        inpaint,
        outpaint,
        controlnet,
        controlnet_several,
        lora,
        hires,
        upscale,
        regional_prompts,
        video_from_frames,
    )
}


@pytest.mark.parametrize("graph", POINTS)
def test_its_point_shows(graph: str, examples: Desk) -> None:
    POINTS[graph](examples)


def test_every_graph_of_embedded_models_has_a_point() -> None:
    embedded = {path.stem for path in GRAPHS.glob("*.json") if _is_embedded(path.stem)}
    assert embedded == POINTS.keys()
    assert not embedded & NOT_EMBEDDED


def _is_embedded(graph: str) -> bool:
    nodes = read_graph(graph).nodes.values()
    files: list[Any] = [value for node in nodes for value in node.inputs.values()]
    models = [value for value in files if isinstance(value, str) and value.endswith((".safetensors", ".gguf", ".pth"))]
    return all(name.startswith("tiny") for name in models)


def _distance(one: Seen, other: Seen) -> float:
    return float(np.hypot(one.x - other.x, one.y - other.y))


def _stairs(picture: Picture) -> float:
    """How much pixels come in equal pairs along edges: the mean step within pairs, missing, against that between."""
    steps = np.abs(np.diff(picture.astype(float), axis=1)).sum(axis=(0, 2))
    return float((steps[1::2].sum() - steps[::2].sum()) / steps.sum())
