"""The list of what keeps templates from running."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.template_gaps import greedy, measure, media

PICTURE = {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}}


def _saved(class_type: str = "SaveImage", **inputs: object) -> dict[str, object]:
    return {"class_type": class_type, "inputs": {"images": ["1", 0], "filename_prefix": "a", **inputs}}


def test_gaps_are_classes_and_inputs_and_hosted_templates_are_left_out(tmp_path: Path) -> None:
    templates = {
        "sound": {"1": PICTURE, "2": _saved()},
        "classless": {"1": PICTURE, "2": _saved("NoSuchClass")},
        "wrong": {"1": PICTURE, "2": _saved(images=["1", 7])},
        "hosted": {"1": PICTURE, "2": _saved("OpenAIDalle3")},
    }
    for name, document in templates.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    index = [{"type": "image", "templates": [{"name": name} for name in templates]}]
    (tmp_path / "index.json").write_text(json.dumps(index))
    assert measure(tmp_path, media(tmp_path)["image"]) == {
        "sound": frozenset(),
        "classless": {"NoSuchClass"},
        "wrong": {"SaveImage.images (bad_linked_input)"},
    }


def test_the_smallest_addition_that_wins_most_comes_first() -> None:
    gaps = {
        "a": frozenset("xy"),
        "b": frozenset("xyz"),
        "c": frozenset("z"),
        "d": frozenset("z"),
        "e": frozenset[str](),
    }
    assert list(greedy(gaps)) == [(frozenset("z"), ["c", "d"]), (frozenset("xy"), ["a", "b"])]
