"""What the shipped files draw, through the example graphs: the meaning of pictures, not their numbers."""

import numpy as np
import pytest

from models.tiny.drawing import Desk
from models.tiny.measures import controlled, enlarged, inpaint, styled
from models.tiny.read_scene import marks, read
from models.tiny.scenes import caption, render
from models.tiny.score import prompts, side_by_side, single_on_colour


def first_number(text: str) -> int:
    return int(text.partition("/")[0])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_first_picture_is_right(desk: Desk, seed: int) -> None:
    background, things = read(desk.tell("a red circle on a blue background", seed))
    assert background == "blue"
    assert [(thing.colour, thing.shape) for thing in things] == [("red", "circle")]


def test_prompts_that_nobody_trained_on_are_drawn(desk: Desk) -> None:
    scenes = [s for s in prompts(40, seed=6, pairs=False) if s.kind == "single"][:10]
    found = [marks(scene, desk.tell(caption(scene), 40 + n)) for n, scene in enumerate(scenes)]
    assert sum(mark["background"] for mark in found) >= 9
    assert sum(mark["colour"] for mark in found) >= 8
    assert sum(mark["shape"] for mark in found) >= 6


def test_the_same_seed_draws_the_same_picture_and_another_one_another(desk: Desk) -> None:
    text = "a green heart on a black background"
    one, again, other = (desk.tell(text, seed) for seed in (5, 5, 6))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_mask_keeps_what_lies_outside(desk: Desk) -> None:
    found = inpaint(desk, side_by_side(3))
    assert float(found["outside"]) == 0
    assert float(found["decoded"]) <= 0.01
    assert float(found["inside"]) > 0.03


def test_edges_are_followed(desk: Desk) -> None:
    found = {k: float(v) for k, v in controlled(desk, 3).items()}
    assert found["with"] >= 0.6
    assert found["with"] >= 2 * found["without"]


def test_the_lora_draws_outlines(desk: Desk) -> None:
    found = styled(desk, single_on_colour(5))
    assert first_number(found["plain"]) == 0
    assert first_number(found["style"]) >= 3


def test_enlarging_beats_repeating_pixels(desk: Desk) -> None:
    found = enlarged(desk, 3)
    assert float(found["upscaler"]) > float(found["repeated"]) + 1


def test_a_picture_is_changed_towards_a_prompt(desk: Desk) -> None:
    start = render(prompts(1, seed=8, pairs=False)[0])
    changed = desk.draw("image_to_image", {"Picture.image": desk.put("start", start), "Sampler.denoise": 0.9})
    assert read(changed)[0] == "white"
