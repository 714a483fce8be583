"""What an error report says of a node's inputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from engine.errors import shortened
from engine.node_call import short_inputs
from engine.types import Image


class Polygon:
    """A user's type, whose shape is no tuple of numbers."""

    def shape(self) -> str:
        return "round"


@dataclass
class Drawn:
    polygon: Polygon


def test_tensors_are_told_by_shape_and_texts_are_cut() -> None:
    given = {
        "n": (3,),
        "t": ("a" * 300,),
        "x": (torch.zeros(2, 3),),
        "image": (Image(torch.zeros(1, 8, 8, 3)),),
        "list": (1, 2),
    }
    assert short_inputs(given) == {
        "n": 3,
        "t": shortened("a" * 300),
        "x": "Tensor[2, 3]",
        "image": "Image([1, 8, 8, 3])",
        "list": [1, 2],
    }


def test_a_shape_that_is_none_does_not_hide_the_error_that_is_told_of() -> None:
    given = {"polygon": (Polygon(),), "drawn": (Drawn(Polygon()),)}
    assert short_inputs(given) == {"polygon": "Polygon", "drawn": "Drawn"}
