"""Combining, feathering and growing masks."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.pictures import masks


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("multiply", [[0.0, 0.0], [0.0, 0.6 * 0.7]]),
        ("add", [[0.0, 0.7], [0.6, 1.0]]),
        ("subtract", [[0.0, 0.0], [0.6, 0.0]]),
        ("and", [[0.0, 0.0], [0.0, 1.0]]),
        ("or", [[0.0, 1.0], [1.0, 1.0]]),
        ("xor", [[0.0, 1.0], [1.0, 0.0]]),
    ],
)
def test_operations(operation: str, expected: list[list[float]]) -> None:
    destination = torch.tensor([[[0.0, 0.0], [0.6, 0.6]]])
    source = torch.tensor([[[0.0, 0.7], [0.0, 0.7]]])
    kept = destination.clone()
    torch.testing.assert_close(masks.combine(destination, source, 0, 0, operation), torch.tensor([expected]))
    assert torch.equal(destination, kept)


@settings(deadline=None)
@given(st.integers(0, 9), st.integers(0, 9))
def test_source_is_cut_off_at_the_border(x: int, y: int) -> None:
    out = masks.combine(torch.zeros(2, 6, 7), torch.ones(1, 4, 5), x, y, "add")
    expected = torch.zeros(2, 6, 7)
    expected[:, y : y + 4, x : x + 5] = 1.0
    assert torch.equal(out, expected)


def test_feather_ramps_as_comfyui_counts_them() -> None:
    out = masks.feather(torch.ones(1, 1, 8), left=2, top=0, right=0, bottom=0)
    assert out[0, 0].tolist() == [0.5, 1, 1, 1, 1, 1, 1, 1]
    out = masks.feather(torch.ones(1, 1, 8), left=0, top=0, right=4, bottom=0)
    assert out[0, 0].tolist() == [1, 1, 1, 1, 1.0, 0.75, 0.5, 0.25]
    out = masks.feather(torch.ones(1, 4, 1), left=0, top=2, right=0, bottom=2)
    assert out[0, :, 0].tolist() == [0.5, 1, 1, 0.5]


def test_feather_wider_than_the_mask() -> None:
    out = masks.feather(torch.ones(1, 3, 4), left=100, top=0, right=0, bottom=100)
    assert out.shape == (1, 3, 4)
    torch.testing.assert_close(out[0, 0], torch.arange(1, 5) / 4)
    torch.testing.assert_close(out[0, 2], torch.arange(1, 5) / 12)


@settings(max_examples=25, deadline=None)
@given(st.integers(-4, 4), st.booleans())
def test_growing_is_repeated_grey_morphology(steps: int, tapered: bool) -> None:
    values = noise(2, 9, 11)
    corner = 0 if tapered else 1
    footprint = np.array([[corner, 1, corner], [1, 1, 1], [corner, 1, corner]])
    expected = values.numpy()
    for _ in range(abs(steps)):
        step = scipy.ndimage.grey_erosion if steps < 0 else scipy.ndimage.grey_dilation
        expected = np.stack([step(mask, footprint=footprint) for mask in expected])
    np.testing.assert_array_equal(masks.grow(values, steps, tapered_corners=tapered).numpy(), expected)


def test_growing_by_far_more_than_the_mask_ends() -> None:
    values = torch.zeros(1, 8, 8)
    values[0, 3, 4] = 1.0
    assert masks.grow(values, 16384, tapered_corners=True).min() == 1.0
    assert masks.grow(values, -16384, tapered_corners=False).max() == 0.0


def test_colour_mask_is_255_where_the_rounded_colour_fits() -> None:
    pixels = torch.tensor([[[[1.0, 0.5, 0.0], [1.0, 0.503, 0.0], [2.0, 0.5, -1.0], [0.0, 0.0, 0.0]]]])
    assert masks.of_color(pixels, 0xFF8000)[0, 0].tolist() == [1.0, 1.0, 1.0, 0.0]
