"""Mixing encoded prompts, and placing them on a latent: areas, masks, time ranges, partners, shared ControlNets."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputInvalid
from nodes.diffusion import conditioning, regions
from nodes.diffusion.inputs import Input, Inputs, Scene
from nodes.diffusion.parameterization import discrete
from nodes.diffusion.regions import Box, Placed
from nodes.families.found import families
from nodes.values import Area, Cond, Conditioning, Control, Model

EPS = discrete("eps")


def prompt(tokens: int = 77, width: int = 8, pooled: bool = True, seed: int = 0) -> Conditioning:
    source = torch.Generator().manual_seed(seed)
    vector = torch.randn(1, width, generator=source) if pooled else None
    return Conditioning((Cond(torch.randn(1, tokens, width, generator=source), vector),))


def place(height: int = 16, width: int = 24, **fields: object) -> Placed:
    entry = prompt().set(**fields).entries[0]
    family = families()["sd"]
    model = Model(None, family, EPS, family.space)  # type: ignore[arg-type]
    empty = torch.zeros(1, 4, height, width)
    return regions.place(entry, {}, Scene(model, empty, None, empty))


def inputs(value: float) -> Inputs:
    return {"context": Input(torch.full((1, 1, 1), value))}


# --- mixing ------------------------------------------------------------------------------------------------------


def test_concat_puts_tokens_in_a_row_and_keeps_the_first_pooled_vector() -> None:
    first, second = prompt(77), prompt(154, seed=1)
    joined = conditioning.concat(first, second).entries[0]
    assert torch.equal(joined.context, torch.cat([first.entries[0].context, second.entries[0].context], dim=1))
    assert joined.pooled is first.entries[0].pooled


@pytest.mark.parametrize(("to_tokens", "from_tokens"), [(77, 77), (77, 154), (154, 77)])
def test_average_has_the_length_of_the_first_and_pads_with_zeros(to_tokens: int, from_tokens: int) -> None:
    to, source = prompt(to_tokens), prompt(from_tokens, seed=1)
    mixed = conditioning.average(to, source, 0.25).entries[0]
    shared = min(to_tokens, from_tokens)
    a, b = to.entries[0].context, source.entries[0].context
    torch.testing.assert_close(mixed.context[:, :shared], 0.25 * a[:, :shared] + 0.75 * b[:, :shared])
    torch.testing.assert_close(mixed.context[:, shared:], 0.25 * a[:, shared:])


def test_average_takes_the_pooled_vector_that_there_is() -> None:
    with_vector, without = prompt(), prompt(pooled=False)
    taken = conditioning.average(without, with_vector, 0.5).entries[0].pooled
    assert taken is with_vector.entries[0].pooled
    kept = conditioning.average(with_vector, without, 0.5).entries[0].pooled
    assert kept is with_vector.entries[0].pooled
    assert conditioning.average(without, without, 0.5).entries[0].pooled is None


def test_zero_out_zeroes_everything_without_touching_its_input() -> None:
    given_prompt = prompt().set(extra={"conditioning_scale": torch.ones(2), "guidance": torch.ones(1)})
    zeroed = conditioning.zero_out(given_prompt).entries[0]
    assert not zeroed.context.any()
    assert zeroed.pooled is not None
    assert not zeroed.pooled.any()
    assert given_prompt.entries[0].context.all()
    assert not zeroed.extra["conditioning_scale"].any()
    assert zeroed.extra["guidance"].all()
    assert given_prompt.entries[0].extra["conditioning_scale"].all()


@pytest.mark.parametrize("mix", [conditioning.concat, lambda a, b: conditioning.average(a, b, 0.5)])
def test_prompts_of_two_families_do_not_mix(mix: object) -> None:
    with pytest.raises(InputInvalid, match="8 and 16 wide") as raised:
        mix(prompt(width=8), prompt(width=16))  # type: ignore[operator]
    assert raised.value.input == "conditioning_from"


def test_an_empty_conditioning_cannot_be_mixed_in() -> None:
    with pytest.raises(InputInvalid, match="no prompt"):
        conditioning.concat(prompt(), Conditioning(()))


# --- placing -----------------------------------------------------------------------------------------------------


def test_an_area_in_fractions_is_rounded_to_latent_pixels_and_never_vanishes() -> None:
    assert place(area=Area(0.5, 0.25, 0.5, 0.75, "fraction")).box == Box(8, 6, 8, 18)
    assert place(area=Area(0.0, 0.0, 0.0, 0.0, "fraction")).box == Box(1, 1, 0, 0)


def test_an_area_that_hangs_over_is_cut_and_one_outside_is_refused() -> None:
    hanging = place(area=Area(64, 64, 8, 8))
    clipped = regions.clip_boxes({"positive": [hanging]}, 16, 24)["positive"][0]
    assert clipped.box == Box(8, 16, 8, 8)
    with pytest.raises(InputInvalid, match="outside the 192 x 128 picture") as raised:
        place(area=Area(8, 8, 16, 0))
    assert raised.value.input == "positive"


def test_edges_fade_inside_the_picture_but_not_at_its_border() -> None:
    entry = place(height=64, width=64, area=Area(64, 40, 0, 24), strength=2.0)
    weight = entry.weight(torch.zeros(2, 4, 64, 64))
    assert weight.shape == (2, 4, 64, 40)
    ramp = torch.tensor([(i + 1) / 8 for i in range(8)] + [1.0] * 32) * 2
    torch.testing.assert_close(weight, ramp.expand(2, 4, 64, 40))


def test_small_areas_fade_over_a_quarter_of_their_side() -> None:
    entry = place(height=64, width=64, area=Area(8, 8, 16, 16))
    weight = entry.weight(torch.zeros(1, 1, 64, 64))[0, 0]
    side = torch.tensor([0.5, 1, 1, 1, 1, 1, 1, 0.5])
    torch.testing.assert_close(weight, side[:, None] * side)


def test_a_mask_is_resized_and_replaces_the_fading() -> None:
    mask = torch.zeros(1, 32, 48)
    mask[:, :16] = 1.0
    entry = place(mask=mask, mask_strength=0.5, strength=3.0)
    weight = entry.weight(torch.zeros(2, 4, 16, 24))
    assert weight.shape == (2, 4, 16, 24)
    torch.testing.assert_close(weight[:, :, :8], torch.full((2, 4, 8, 24), 1.5))
    assert not weight[:, :, 8:].any()


@pytest.mark.parametrize(
    ("filled", "box"),
    [
        (None, Box(8, 8, 0, 0)),
        ((slice(2, 14), slice(3, 20)), Box(12, 17, 2, 3)),
        ((slice(5, 6), slice(9, 10)), Box(8, 8, 5, 9)),
    ],
)
def test_mask_bounds_make_the_box(filled: tuple[slice, slice] | None, box: Box) -> None:
    mask = torch.zeros(1, 16, 24)
    if filled is not None:
        mask[0][filled] = 0.3
    assert place(mask=mask, set_area_to_bounds=True).box == box


def test_time_ranges_become_sigmas() -> None:
    whole = place()
    assert whole.active(1e8)
    assert whole.active(0.0)
    middle = place(start_percent=0.2, end_percent=0.8)
    assert middle.active(EPS.percent_to_sigma(0.5))
    assert middle.active(EPS.percent_to_sigma(0.2))
    assert not middle.active(EPS.percent_to_sigma(0.1))
    assert not middle.active(EPS.percent_to_sigma(0.9))


@pytest.mark.parametrize("field", ["strength", "mask_strength"])
def test_a_strength_that_is_not_a_number_is_refused(field: str) -> None:
    with pytest.raises(InputInvalid, match="not a number"):
        place(**{field: math.nan})


def test_each_box_gets_a_partner_with_the_smallest_prompt_around_it() -> None:
    region = Placed(inputs(1.0), box=Box(8, 8, 4, 4), strength=0.7)
    wide = Placed(inputs(2.0), box=Box(16, 16, 0, 0))
    whole = Placed(inputs(3.0))
    paired = regions.pair_boxes({"positive": [region], "negative": [whole, wide]})
    assert [entry.box for entry in paired["negative"]] == [None, wide.box, region.box]
    partner = paired["negative"][-1]
    assert (partner.inputs["context"].value.item(), partner.strength) == (2.0, 0.7)
    # The wide negative has no positive around it that is not smaller, so it stays alone.
    assert paired["positive"] == [region]


def test_a_box_that_both_have_is_not_paired_again() -> None:
    box = Box(8, 8, 0, 0)
    placed = {role: [Placed(inputs(1.0), box=box)] for role in ("positive", "negative")}
    assert regions.pair_boxes(placed) == placed


def test_controls_reach_the_negative_prompt_only_where_asked() -> None:
    control = Control(net=None, hint=torch.zeros(1))  # type: ignore[arg-type]
    plain = Placed(inputs(1.0))
    for asked in (True, False):
        guided = Placed(inputs(1.0), control=control, control_for_others=asked)
        shared = regions.share_controls({"positive": [guided], "negative": [plain]})
        assert shared["negative"][0].control is (control if asked else None)
    own = Control(net=None, hint=torch.zeros(1))  # type: ignore[arg-type]
    guided = Placed(inputs(1.0), control=control, control_for_others=True)
    shared = regions.share_controls({"positive": [guided], "negative": [Placed(plain.inputs, control=own), plain]})
    assert [entry.control for entry in shared["negative"]] == [own, None]


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 39),
    st.integers(0, 39),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_weights_cover_the_clipped_box_and_stay_within_0_and_1(
    box_height: int, box_width: int, y: int, x: int, height: int, width: int
) -> None:
    if y >= height or x >= width:
        return
    entry = place(height=height, width=width, area=Area(box_height, box_width, y, x))
    entry = regions.clip_boxes({"positive": [entry]}, height, width)["positive"][0]
    weight = entry.weight(torch.zeros(1, 1, height, width))
    assert weight.shape[-2:] == (min(box_height, height - y), min(box_width, width - x))
    assert weight.min() > 0
    assert weight.max() <= 1


@given(st.integers(1, 7), st.integers(1, 7))
def test_batches_are_cut_or_repeated(have: int, want: int) -> None:
    repeated = regions.repeat_batch(torch.arange(have), want)
    assert repeated.tolist() == [i % have for i in range(want)]


def test_multiplying_scales_tokens_and_the_pooled_vector() -> None:
    entry = Cond(torch.ones(1, 3, 4), torch.full((1, 5), 2.0), extra={"guidance": 3.5})
    (made,) = conditioning.multiplied(Conditioning((entry,)), -0.5).entries
    assert made.context.unique().tolist() == [-0.5]
    assert made.pooled is not None and made.pooled.unique().tolist() == [-1.0]
    assert made.extra == {"guidance": 3.5}
