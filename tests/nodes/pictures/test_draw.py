"""Compositing, outpainting borders, stitching and Porter-Duff."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.image import PORTER_DUFF_MODES
from nodes.pictures import draw


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=80, deadline=None)
@given(
    *(st.integers(1, 9) for _ in range(4)),
    st.integers(-12, 12),
    st.integers(-12, 12),
    st.booleans(),
)
def test_composite_pixel_by_pixel(h: int, w: int, sh: int, sw: int, x: int, y: int, masked: bool) -> None:
    below, above = noise(2, h, w, 3), noise(1, sh, sw, 3, seed=2)
    mask = noise(1, sh, sw, seed=3) if masked else None
    kept = below.clone()
    out = draw.composite(below, above, x, y, mask)
    assert torch.equal(below, kept)
    for row in range(h):
        for column in range(w):
            inside = 0 <= row - y < sh and 0 <= column - x < sw
            if not inside:
                assert torch.equal(out[:, row, column], below[:, row, column])
                continue
            weight = 1.0 if mask is None else mask[0, row - y, column - x]
            expected = weight * above[0, row - y, column - x] + (1.0 - weight) * below[:, row, column]
            torch.testing.assert_close(out[:, row, column], expected)


def test_composite_fits_batches_channels_and_mask() -> None:
    below, above = noise(3, 8, 8, 3), noise(2, 4, 4, 4, seed=2)
    out = draw.composite(below, above, 2, 2, torch.ones(1, 9, 5))
    assert torch.equal(out[:, 2:6, 2:6], above[[0, 1, 0], ..., :3])
    opaque = draw.composite(noise(1, 8, 8, 4), noise(1, 4, 4, 3), 0, 0)
    assert opaque[0, :4, :4, 3].unique().tolist() == [1.0]


@pytest.mark.parametrize(
    "borders", [(8, 0, 0, 0), (0, 8, 0, 0), (0, 0, 8, 0), (0, 0, 0, 8), (8, 16, 24, 8), (0, 0, 0, 0)]
)
@pytest.mark.parametrize("feathering", [0, 5, 9])
def test_outpaint_mask_falls_with_the_distance(borders: tuple[int, int, int, int], feathering: int) -> None:
    left, top, right, bottom = borders
    pixels = noise(2, 20, 24, 3)
    padded, mask = draw.pad_for_outpaint(pixels, left, top, right, bottom, feathering)
    assert padded.shape == (2, 20 + top + bottom, 24 + left + right, 3)
    assert mask.shape == (1, 20 + top + bottom, 24 + left + right)
    assert torch.equal(padded[:, top : top + 20, left : left + 24], pixels)
    border = torch.ones(padded.shape[1:3], dtype=torch.bool)
    border[top : top + 20, left : left + 24] = False
    assert (padded[:, border] == 0.5).all()
    assert (mask[0, border] == 1.0).all()
    for row in range(20):
        for column in range(24):
            distances = [
                row if top else 99,
                20 - row if bottom else 99,
                column if left else 99,
                24 - column if right else 99,
            ]
            nearest = min(distances)
            expected = ((feathering - nearest) / feathering) ** 2 if nearest < feathering else 0.0
            assert mask[0, top + row, left + column].item() == pytest.approx(expected)


def test_outpaint_mask_is_hard_where_the_picture_is_too_small() -> None:
    _, mask = draw.pad_for_outpaint(noise(1, 20, 24, 3), 8, 0, 0, 0, 10)
    assert mask.unique().tolist() == [0.0, 1.0]
    assert mask.sum() == 8 * 20


def test_fit_into_centres() -> None:
    frame = draw.fit_into(torch.full((1, 10, 20, 3), 0.5), 16, 16, "area", 1.0)
    assert frame.shape == (1, 16, 16, 3)
    assert (frame[:, 4:12] == 0.5).all()
    assert (frame[:, :4] == 1.0).all()
    assert (frame[:, 12:] == 1.0).all()


@pytest.mark.parametrize(
    ("direction", "shape"),
    [("right", (2, 8, 22, 4)), ("left", (2, 8, 22, 4)), ("down", (2, 19, 6, 4)), ("up", (2, 19, 6, 4))],
)
def test_stitch_matches_sizes(direction: str, shape: tuple[int, ...]) -> None:
    first, second = noise(2, 8, 6, 4), noise(1, 4, 6, 3, seed=2)
    out = draw.stitch(first, second, direction, match_size=True, gap_px=3, color=(1.0, 0.0, 0.0))
    if direction in ("down", "up"):
        assert out.shape == (2, 8 + 4 + 4, 6, 4)
    else:
        assert out.shape == (2, 8, 6 + 4 + 12, 4)
    start = {"right": (0, 0), "down": (0, 0), "left": (0, 16), "up": (8, 0)}[direction]
    assert torch.equal(out[:, start[0] : start[0] + 8, start[1] : start[1] + 6], first)
    gap = {"right": (0, 6), "left": (0, 12), "down": (8, 0), "up": (4, 0)}[direction]
    assert out[0, gap[0], gap[1]].tolist() == [1.0, 0.0, 0.0, 1.0]


def test_stitch_centres_what_is_smaller() -> None:
    out = draw.stitch(noise(1, 8, 6, 3), noise(1, 3, 5, 3), "right", match_size=False, gap_px=0, color=(1.0, 1.0, 1.0))
    assert out.shape == (1, 8, 11, 3)
    assert (out[:, :2, 6:] == 1.0).all()
    assert (out[:, 5:, 6:] == 1.0).all()
    assert torch.equal(out[:, 2:5, 6:], noise(1, 3, 5, 3))


@pytest.mark.parametrize("mode", PORTER_DUFF_MODES)
def test_porter_duff_modes_of_opaque_and_clear_pictures(mode: str) -> None:
    source, destination = noise(1, 4, 4, 3), noise(1, 4, 4, 3, seed=2)
    opaque, clear = torch.zeros(1, 4, 4), torch.ones(1, 4, 4)
    color, mask = draw.porter_duff(source, opaque, destination, opaque, mode)
    expected = {
        "ADD": (source + destination).clamp(0, 1),
        "DARKEN": torch.minimum(source, destination),
        "LIGHTEN": torch.maximum(source, destination),
        "MULTIPLY": source * destination,
        "SCREEN": source + destination - source * destination,
        "OVERLAY": torch.where(destination < 0.5, 2 * source * destination, 1 - 2 * (1 - source) * (1 - destination)),
    }
    if mode in ("CLEAR", "SRC_OUT", "DST_OUT", "XOR"):
        assert mask.unique().tolist() == [1.0]
        assert color.unique().tolist() == [0.0]
    else:
        winner = source if mode in ("SRC", "SRC_ATOP", "SRC_IN", "SRC_OVER") else destination
        torch.testing.assert_close(color, expected.get(mode, winner))
        assert mask.unique().tolist() == [0.0]
    _, nothing = draw.porter_duff(source, clear, destination, clear, mode)
    assert nothing.unique().tolist() == [1.0]


def test_source_over_is_ordinary_alpha_compositing() -> None:
    source, destination, alpha = noise(1, 4, 4, 3), noise(1, 4, 4, 3, seed=2), noise(1, 4, 4, seed=3)
    color, mask = draw.porter_duff(source, 1 - alpha, destination, torch.zeros(1, 4, 4), "SRC_OVER")
    torch.testing.assert_close(color, alpha[..., None] * source + (1 - alpha[..., None]) * destination)
    torch.testing.assert_close(mask, torch.zeros(1, 4, 4))
