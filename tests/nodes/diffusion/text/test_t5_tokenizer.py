"""T5's token ids, against those that Google's own tokenizer gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.diffusion.text.t5_tokenizer import t5_token_ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", []),
        ("a red fox on a hill", [3, 9, 1131, 3, 20400, 30, 3, 9, 9956]),
        ("a red  fox \n\ton a hill ", [3, 9, 1131, 3, 20400, 30, 3, 9, 9956]),
        ("photograph, 85mm, f/1.8", [6419, 6, 11989, 635, 6, 3, 89, 87, 16253]),
        ("na\xefve Stra\xdfe Interna\u021bional \u65e5\u672c", [3, 29, 9, 2, 162, 5438, 5202, 15, 31999, 3, 2]),
        ("\ufb01ne \xbd \u2460", [1399, 209, 2, 357, 209]),
        ("<extra_id_0> a</s>b<pad>", [32099, 3, 9, 1, 3, 115, 0]),
        ("don't (stop)", [278, 31, 17, 41, 7618, 61]),
        ("a\u200bb", [3, 9, 3, 115]),
        ("e\u0301te", [3, 154, 17, 15]),
    ],
)
def test_ids_are_googles(text: str, ids: list[int]) -> None:
    assert t5_token_ids(text) == ids


@given(st.text(max_size=40))
def test_any_text_has_ids_and_white_space_does_not_count(text: str) -> None:
    ids = t5_token_ids(text)
    assert all(0 <= number < 32100 for number in ids)
    assert t5_token_ids(f" \n{text}\t ") == ids
    assert t5_token_ids(text + "\ud800") == t5_token_ids(text + "?")
