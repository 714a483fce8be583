"""Joining several prompts' inputs: each by its rule, and only where that changes no prompt."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodes.diffusion.inputs import Input, Joining, can_share, form, join, values


def tokens(count: int, joining: Joining, width: int = 4) -> dict[str, Input]:
    return {"text": Input(torch.randn(1, count, width, generator=torch.Generator().manual_seed(count)), joining)}


def test_joint_attention_contexts_of_different_lengths_go_apart() -> None:
    assert not can_share(tokens(5, "concatenate"), tokens(7, "concatenate"))
    assert can_share(tokens(5, "concatenate"), tokens(5, "concatenate"))


def test_a_stretch_of_more_than_four_is_no_gain() -> None:
    assert can_share(tokens(77, "repeat"), tokens(231, "repeat"))
    assert not can_share(tokens(77, "repeat"), tokens(77 * 5, "repeat"))


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 3))
def test_padded_rows_keep_their_tokens_and_the_mask_tells_them(lengths: list[int], batch: int) -> None:
    prompts = [tokens(length, "pad") for length in lengths]
    joined = values(join(prompts, batch))
    mask = joined.get("text_mask", torch.ones(joined["text"].shape[:2], dtype=torch.bool))
    assert ("text_mask" in joined) == (len(set(lengths)) > 1)
    for row, prompt in enumerate(one for one in prompts for _ in range(batch)):
        assert torch.equal(joined["text"][row][mask[row]], prompt["text"].value[0])
        assert not joined["text"][row][~mask[row]].any()


@given(st.lists(st.sampled_from([2, 3, 4, 6]), min_size=1, max_size=3))
def test_repeated_rows_are_whole_repeats(lengths: list[int]) -> None:
    joined = join([tokens(length, "repeat") for length in lengths], 1)["text"].value
    for row, length in zip(joined, lengths, strict=True):
        assert torch.equal(row, tokens(length, "repeat")["text"].value[0].repeat(joined.shape[1] // length, 1))


def test_what_is_passed_on_must_be_equal() -> None:
    a, b = ({"guidance": Input(value, "same")} for value in (3.5, 4.0))
    assert can_share(a, dict(a))
    assert not can_share(a, b)
    assert values(join([a, a], 2)) == {"guidance": 3.5}
    tensor = torch.ones(2)
    assert can_share({"x": Input(tensor, "same")}, {"x": Input(tensor, "same")})
    assert not can_share({"x": Input(tensor, "same")}, {"x": Input(tensor.clone(), "same")})


def test_prompts_with_other_inputs_go_apart() -> None:
    assert not can_share(tokens(5, "concatenate"), {})
    assert not can_share(tokens(5, "concatenate"), tokens(5, "pad"))


@pytest.mark.parametrize("batch", [1, 3])
def test_a_prompt_of_fewer_items_serves_all(batch: int) -> None:
    joined = join([{"y": Input(torch.ones(1, 2))}, {"y": Input(torch.zeros(2, 2))}], batch)["y"].value
    assert joined.shape == (2 * batch, 2)


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=3))
def test_what_was_joined_is_joined_again_as_if_at_once(jobs: list[list[int]]) -> None:
    parts = [join([tokens(length, "pad") for length in lengths], 1) for lengths in jobs]
    assert len({form(part) for part in parts}) == 1
    twice = values(join(parts))
    once = values(join([tokens(length, "pad") for lengths in jobs for length in lengths], 1))
    assert torch.equal(twice["text"], once["text"])
    assert ("text_mask" in twice) == ("text_mask" in once)
    if "text_mask" in once:
        assert torch.equal(twice["text_mask"], once["text_mask"])


def test_jobs_of_other_forms_go_apart() -> None:
    forms = [
        form(each)
        for each in (
            tokens(5, "concatenate"),
            tokens(7, "concatenate"),
            tokens(7, "pad"),
            {"guidance": Input(3.5, "same")},
            {"guidance": Input(4.0, "same")},
            {"reference": Input(torch.ones(1), "same")},
        )
    ]
    assert len(set(forms)) == len(forms)
    assert form({"x": Input([], "same")}) is None
