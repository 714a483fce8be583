"""Positional widget values onto input names."""

from __future__ import annotations

from typing import Any

import pytest

from engine.convert.litegraph import read_node
from engine.convert.widgets import WidgetValues, as_input, read_widgets
from tests.engine.convert.drawing import classes

CLASSES = classes()
SAMPLE = {"seed": 7, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "denoise": 0.5}


def named(class_type: str, values: Any, *, slots: str = "", **more: Any) -> WidgetValues:
    inputs = []
    for word in slots.split():
        name, _, wire = word.partition(":")
        inputs.append({"name": name, "type": wire, "widget": {"name": name}, "link": None})
    entry = {"id": 1, "type": class_type, "inputs": inputs, "widgets_values": values, **more}
    return read_widgets(read_node(entry, 0, "test"), CLASSES.get(class_type))


@pytest.mark.parametrize("control", [*("fixed", "increment", "decrement", "randomize", "increment-wrap"), True, False])
def test_the_control_value_after_a_seed_is_skipped(control: Any) -> None:
    assert named("Sample", [7, control, 20, 8.0, "euler", 0.5]).by_name == SAMPLE


def test_files_without_control_values_are_read_too() -> None:
    assert named("Sample", [7, 20, 8.0, "euler", 0.5]).by_name == SAMPLE


def test_a_choice_that_reads_like_a_control_value_stays() -> None:
    assert named("Sample", [7, 20, 8.0, "fixed", 0.5]).by_name == {**SAMPLE, "sampler_name": "fixed"}


def test_an_older_file_gets_defaults_for_widgets_that_came_later() -> None:
    assert named("Sample", [7, "fixed", 20, 8.0, "euler"]).by_name == {**SAMPLE, "denoise": 1.0}
    assert named("Empty", None).by_name == {"width": 512, "height": 512}


def test_null_means_the_default() -> None:
    assert named("Empty", [None, 32]).by_name == {"width": 512, "height": 32}


def test_an_upload_buttons_value_stands_after_the_required_widgets() -> None:
    picture = {"image": "a.png", "channel": "red", "strength": 1}
    assert named("LoadPicture", ["a.png", "red", "image"]).by_name == picture
    assert named("LoadPicture", ["a.png", "red", "image", 3]).by_name == {**picture, "strength": 3}


def test_values_by_name_are_taken_by_name() -> None:
    values = {"width": 1, "height": 2, "videopreview": {"hidden": False}}
    assert named("Empty", values) == WidgetValues({"width": 1, "height": 2})


def test_the_files_own_names_hold_and_the_positional_values_are_the_truth() -> None:
    found = named("Empty", [1, 2], widgets_values_named={"height": 9, "width": 9})
    assert found.by_name == {"width": 2, "height": 1}


def test_names_that_the_class_does_not_have_are_told() -> None:
    found = named("Empty", [1, 2, "x"], widgets_values_named={"width": 1, "height": 2, "tint": "x"})
    assert found == WidgetValues({"width": 1, "height": 2}, ("'tint' = 'x': the class has no such input",))


def test_a_class_that_takes_any_input_keeps_them() -> None:
    found = named("Anything", [1, 2], widgets_values_named={"first": 1, "second": 2})
    assert found == WidgetValues({"first": 1, "second": 2})


def test_an_unknown_class_is_named_by_its_slots() -> None:
    found = named("Mystery", [5, "randomize", "euler"], slots="seed:INT sampler:COMBO")
    assert found == WidgetValues({"seed": 5, "sampler": "euler"})


def test_an_unknown_class_is_named_by_the_files_names() -> None:
    values = {"seed": 5, "control_after_generate": "fixed", "mode": "a"}
    assert named("Mystery", [5, "fixed", "a"], widgets_values_named=values) == WidgetValues({"seed": 5, "mode": "a"})


@pytest.mark.parametrize("slots", ["", "b:STRING"])
def test_values_that_nobody_can_name_are_told_not_guessed(slots: str) -> None:
    found = named("Mystery", ["x", "y", ""], slots=slots)
    assert found == WidgetValues({}, ("3 widget values: their names are not in the file",))


def test_a_list_is_wrapped_because_a_bare_one_is_a_link() -> None:
    assert as_input([1, 2]) == {"__value__": [1, 2]}
    assert as_input("a") == "a"
