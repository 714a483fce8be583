"""Scenes, their captions and the reader that marks pictures: properties that the training and the figures rest on."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.tiny.measures import edge_f1, hollow
from models.tiny.read_scene import marks
from models.tiny.scenes import COLOURS, SHAPES, Scene, caption, edges, is_held_out, mirrored, render, sample_scene
from models.tiny.scenes import triples as every_triple
from models.tiny.score import prompts, tally
from models.tiny.words import END, START, UNTAUGHT, clip_ids, disturb, rows
from nodes.diffusion.text import tokenizer

seeds = st.integers(0, 2**32 - 1)


def scene_of(seed: int, held_out: bool = False) -> Scene:
    return sample_scene(np.random.default_rng(seed), held_out)


def test_there_are_enough_colours_and_shapes() -> None:
    assert len(COLOURS) >= 8
    assert len(SHAPES) >= 5


@settings(deadline=None)
@given(seeds)
def test_training_never_sees_what_is_held_out(seed: int) -> None:
    scene = scene_of(seed)
    assert not any(is_held_out(t.colour, t.shape, scene.background) for t in scene.things)


def test_the_split_covers_everything_once() -> None:
    kept, held = set(every_triple(held_out=False)), set(every_triple(held_out=True))
    assert not kept & held
    assert len(kept | held) == len(COLOURS) * (len(COLOURS) - 1) * len(SHAPES)
    assert ("red", "circle", "blue") in kept


def test_no_scored_prompt_was_trained_on() -> None:
    for pairs in (False, True):
        for scene in prompts(200, seed=1, pairs=pairs):
            assert all(is_held_out(t.colour, t.shape, scene.background) for t in scene.things)


@settings(deadline=None)
@given(seeds, st.booleans())
def test_captions_are_read_as_clip_reads_them(seed: int, held_out: bool) -> None:
    rng = np.random.default_rng(seed)
    text = caption(scene_of(seed, held_out), rng)
    found = rows([text])[0].tolist()
    assert UNTAUGHT not in found
    length = found.index(END)
    ids = clip_ids()
    assert [ids[row] for row in found[1:length]] == tokenizer.token_ids(text)
    assert (ids[START], ids[END]) == (tokenizer.START, tokenizer.END)


@settings(deadline=None)
@given(seeds)
def test_a_disturbed_caption_keeps_its_words(seed: int) -> None:
    text = caption(scene_of(seed))
    found = [row for row in rows([disturb(text, np.random.default_rng(seed))])[0].tolist() if row != UNTAUGHT]
    comma = rows([","])[0, 1].item()
    words = [row for row in rows([text])[0].tolist() if row not in {END, comma}]
    assert [row for row in found if row not in {END, comma}] == words


@settings(deadline=None)
@given(seeds)
def test_a_mirror_twice_is_none(seed: int) -> None:
    scene = scene_of(seed)
    again = mirrored(mirrored(scene))
    assert (again.relation, again.background) == (scene.relation, scene.background)
    assert [(t.colour, t.shape, round(t.x, 6), t.y) for t in again.things] == [
        (t.colour, t.shape, round(t.x, 6), t.y) for t in scene.things
    ]


def test_the_reader_knows_true_pictures() -> None:
    scenes = prompts(60, seed=3, pairs=False)
    wrong = dict.fromkeys(("background", "count", "colour", "shape"), 0)
    for scene in scenes:
        found = marks(scene, render(scene))
        assert found.get("relation", True)
        for name in wrong:
            wrong[name] += not found[name]
    assert max(wrong.values()) <= 3


def test_the_reader_sees_what_is_wrong() -> None:
    scenes = prompts(20, seed=4, pairs=False)
    recoloured = [replace(s, things=tuple(replace(t, colour=s.background) for t in s.things)) for s in scenes]
    assert tally(scenes, [render(s) for s in recoloured])["count"].startswith("0/")
    for wrong in ("shape", "colour"):
        others = {"shape": {"shape": "cross"}, "colour": {"colour": "red"}}[wrong]
        asked = [s for s in scenes if others[wrong] not in {getattr(t, wrong) for t in s.things}]
        asked = [s for s in asked if s.background != others[wrong]]
        pictures = [render(replace(s, things=tuple(replace(t, **others) for t in s.things))) for s in asked]
        assert tally(asked, pictures)[wrong].startswith("0/")
    related = [s for s in scenes if s.relation in {"left of", "right of"}]
    assert related
    assert not any(marks(s, render(s)[:, ::-1].copy())["relation"] for s in related)


def test_edges_and_outlines_are_told_from_filled_shapes() -> None:
    scene, other = scene_of(1), scene_of(2)
    assert edge_f1(render(scene), edges(scene)) > 0.9
    assert edge_f1(render(other), edges(scene)) < 0.5
    coloured = next(s for s in prompts(40, 9, pairs=False) if s.kind == "single" and s.background != "white")
    assert hollow(render(coloured, "outline"))
    assert not hollow(render(coloured))
