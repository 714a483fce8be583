"""PreviewAny: which text each kind of value is shown as, and that it is handed on."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from engine.context import Context
from engine.types import Audio, Image, Mask
from nodes.preview import preview_any
from nodes.sampling_values import Noise, Sigmas
from nodes.values import Cond, Conditioning, Latent

PIXELS = torch.full((1, 2, 2, 3), 0.5)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "abc"),
        (3, "3"),
        (True, "True"),
        (None, "None"),
        ({"a": 1}, '{\n    "a": 1\n}'),
        (["ä", 0.5], '[\n    "ä",\n    0.5\n]'),
        (Image(PIXELS), str(PIXELS)),
        (Mask(PIXELS[..., 0]), str(PIXELS[..., 0])),
        (Sigmas(torch.tensor([1.0, 0.0])), "tensor([1., 0.])"),
        (Latent(torch.zeros(1)), "{'samples': tensor([0.])}"),
        (Audio(torch.zeros(1), 8000), "{'waveform': tensor([0.]), 'sample_rate': 8000}"),
        (Conditioning((Cond(torch.zeros(1)),)), "[[tensor([0.]), {'pooled_output': None}]]"),
        ([Image(torch.zeros(1)), 1], "[tensor([0.]), 1]"),
        (Noise(3), "<NOISE>"),
        ([Noise(3)], "[<NOISE>]"),
    ],
)
def test_a_value_is_shown_as_text_and_the_text_handed_on(ctx: Context, value: Any, text: str) -> None:
    assert preview_any(ctx, source=value) == text
    assert ctx.shown == {"text": [text]}


def test_large_tensors_are_shown_by_six_numbers_at_each_end(ctx: Context) -> None:
    before = str(torch.arange(2000.0))
    shown = preview_any(ctx, source=Mask(torch.arange(2000.0)))
    ends = [*range(6), "...", *range(1994, 2000)]
    assert shown.removeprefix("tensor([").removesuffix("])").replace(" ", "").replace("\n", "").split(",") == [
        end if isinstance(end, str) else f"{end:.4e}" for end in ends
    ]
    assert str(torch.arange(2000.0)) == before, "how torch prints has changed for everybody"


def test_what_is_no_json_is_still_shown(ctx: Context) -> None:
    loop: list[Any] = []
    assert json.loads(preview_any(ctx, source={"nan": 1.5})) == {"nan": 1.5}
    loop.append(object())
    assert preview_any(ctx, source=loop).startswith("[<object object")
