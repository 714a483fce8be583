"""Typed-in values, and values shown as text."""

from __future__ import annotations

import pytest
import torch

from engine.context import Context
from engine.types import Image
from nodes import preview, primitives


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (primitives.primitive_int, -(2**63) + 1),
        (primitives.primitive_float, 0.1),
        (primitives.primitive_string, "a"),
        (primitives.primitive_string_multiline, "a\nb"),
        (primitives.primitive_boolean, False),
    ],
)
def test_value_is_passed_on(ctx: Context, node: object, value: object) -> None:
    assert node(ctx, value=value) is value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a\nb", "a\nb"),
        (3, "3"),
        (0.5, "0.5"),
        (True, "True"),
        (None, "None"),
        ([1, {"a": "b"}], '[\n    1,\n    {\n        "a": "b"\n    }\n]'),
    ],
)
def test_preview_any(ctx: Context, source: object, text: str) -> None:
    preview.preview_any(ctx, source=source)
    assert ctx.shown == {"text": [text]}


def test_preview_any_of_a_picture_shows_its_numbers(ctx: Context) -> None:
    preview.preview_any(ctx, source=Image(torch.zeros(1, 2, 2, 3)))
    assert ctx.shown["text"][0].startswith("tensor([[[[0.")
