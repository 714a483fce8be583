"""Slot types, and which input a bypassed node passes on."""

from __future__ import annotations

import pytest

from engine.convert.litegraph import UiNode, read_node
from engine.convert.modes import passed_on_input, types_connect


def bypassed(inputs: str, outputs: str) -> UiNode:
    slots = {
        side: [{"name": "", "type": wire} for wire in wires.split()]
        for side, wires in (("inputs", inputs), ("outputs", outputs))
    }
    return read_node({"id": 1, "type": "X", "mode": 4, **slots}, 0, "test")


@pytest.mark.parametrize(
    ("left", "right", "connects"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "image", True),
        ("IMAGE", "MASK", False),
        ("*", "MASK", True),
        ("IMAGE", "", True),
        ("IMAGE,MASK", "MASK", True),
        ("IMAGE, MASK", "LATENT,mask", True),
        ("IMAGE,MASK", "LATENT", False),
    ],
)
def test_types_connect(left: str, right: str, connects: bool) -> None:
    assert types_connect(left, right) is connects
    assert types_connect(right, left) is connects


@pytest.mark.parametrize(
    ("inputs", "outputs", "slot", "wanted", "index"),
    [
        ("IMAGE", "IMAGE", 0, "IMAGE", 0),
        ("MASK IMAGE", "IMAGE", 0, "IMAGE", 1),
        ("IMAGE IMAGE", "IMAGE IMAGE", 1, "IMAGE", 1),
        ("LATENT VAE", "IMAGE", 0, "IMAGE", None),
        ("", "IMAGE", 0, "IMAGE", None),
        ("LATENT VAE", "IMAGE MASK", 1, "*", 1),
        ("LATENT", "IMAGE MASK", 1, "*", 0),
        ("MASK *", "IMAGE", 0, "IMAGE", 1),
        ("* IMAGE", "MASK IMAGE IMAGE", 2, "IMAGE", 1),
        ("IMAGE,MASK", "*", 0, "MASK", 0),
        ("IMAGE", "", 3, "IMAGE", 0),
    ],
)
def test_the_input_that_is_passed_on(inputs: str, outputs: str, slot: int, wanted: str, index: int | None) -> None:
    assert passed_on_input(bypassed(inputs, outputs), slot, wanted) == index
