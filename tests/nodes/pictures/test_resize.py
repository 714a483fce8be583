"""Resizing: sizes, crops, filters and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from torch.nn import functional

from engine.errors import InputInvalid
from nodes.pictures import resize

METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
SIDES = st.integers(1, 40)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(METHODS), st.booleans(), st.sampled_from([1, 3, 4]))
def test_size_is_what_was_asked_for(
    height: int, width: int, new_height: int, new_width: int, method: str, crop: bool, channels: int
) -> None:
    out = resize.to_size(noise(2, height, width, channels), new_width, new_height, method, crop=crop)
    assert out.shape == (2, new_height, new_width, channels)
    assert torch.isfinite(out).all()


@settings(max_examples=30, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(METHODS), st.integers(0, 255))
def test_one_colour_stays_one_colour(h: int, w: int, new_h: int, new_w: int, method: str, level: int) -> None:
    out = resize.to_size(torch.full((1, h, w, 3), level / 255), new_w, new_h, method)
    torch.testing.assert_close(out, torch.full_like(out, level / 255), atol=1 / 255, rtol=0)


@pytest.mark.parametrize("method", METHODS[:4])
def test_torch_filters_are_without_antialiasing(method: str) -> None:
    pixels = noise(2, 17, 31, 3)
    expected = functional.interpolate(pixels.permute(0, 3, 1, 2), size=(9, 12), mode=method).permute(0, 2, 3, 1)
    torch.testing.assert_close(resize.to_size(pixels, 12, 9, method), expected)


def test_lanczos_is_pillows_on_eight_bits() -> None:
    pixels = noise(1, 17, 31, 3)
    levels = (pixels[0].numpy() * 255).astype(np.uint8)
    expected = np.asarray(Pillow.fromarray(levels).resize((12, 9), Pillow.Resampling.LANCZOS))
    np.testing.assert_array_equal((resize.to_size(pixels, 12, 9, "lanczos")[0] * 255).round().numpy(), expected)


def test_lanczos_clips_and_has_no_nan() -> None:
    pixels = torch.tensor([[-1.0, 2.0], [float("nan"), 0.5]])[None, :, :, None].repeat(1, 1, 1, 3)
    out = resize.to_size(pixels, 2, 2, "lanczos")
    assert out[0, :, :, 0].tolist() == [[0.0, 1.0], [0.0, pytest.approx(127 / 255)]]


def test_crop_keeps_the_middle() -> None:
    ramp = torch.arange(10.0).expand(1, 4, 10)[..., None]
    assert resize.crop_to_aspect(ramp, 1.0)[0, 0, :, 0].tolist() == [3.0, 4.0, 5.0, 6.0]
    tall = ramp.transpose(1, 2)
    assert resize.crop_to_aspect(tall, 1.0)[0, :, 0, 0].tolist() == [3.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (-1, 5)])
def test_no_size_is_refused(width: int, height: int) -> None:
    with pytest.raises(InputInvalid, match="cannot be resized"):
        resize.to_size(noise(1, 4, 4, 3), width, height, "area")


@settings(deadline=None)
@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 4000))
def test_longer_side_is_exact(width: int, height: int, longest: int) -> None:
    size = resize.fit_side((width, height), longest)
    assert max(size) == longest
    assert (size[0] >= size[1]) == (width >= height) or size[0] == size[1]


def test_joined_takes_the_first_size_and_most_channels() -> None:
    out = resize.joined([noise(2, 8, 6, 3), noise(1, 5, 5, 4), noise(1, 8, 6, 3)])
    assert out.shape == (4, 8, 6, 4)
    assert out[0, ..., 3].unique().tolist() == [1.0]


def test_masks_resize_like_pictures() -> None:
    mask = noise(2, 6, 7)
    assert torch.equal(resize.mask_to_size(mask, 3, 4), resize.to_size(mask[..., None], 3, 4, "bilinear")[..., 0])
