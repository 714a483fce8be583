"""Sizes and orientations."""

from __future__ import annotations

import pytest
import torch

from engine.context import Context
from engine.errors import InputInvalid
from engine.types import Image
from nodes import image_transform as transform

WIDE = Image(torch.rand(1, 30, 60, 3, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(40, 20, (20, 40)), (0, 15, (15, 30)), (20, 0, (10, 20)), (0, 0, (30, 60)), (1, 0, (1, 1))],
)
def test_scale(ctx: Context, width: int, height: int, shape: tuple[int, int]) -> None:
    out = transform.scale(ctx, image=WIDE, upscale_method="area", width=width, height=height, crop="disabled")
    assert out.pixels.shape[1:3] == shape


def test_scale_crops_the_middle(ctx: Context) -> None:
    out = transform.scale(ctx, image=WIDE, upscale_method="nearest-exact", width=30, height=30, crop="center")
    assert torch.equal(out.pixels, WIDE.pixels[:, :, 15:45])


def test_scale_by_rounds_to_even(ctx: Context) -> None:
    out = transform.scale_by(ctx, image=WIDE, upscale_method="lanczos", scale_by=0.25)
    assert out.pixels.shape == (1, 8, 15, 3)
    with pytest.raises(InputInvalid, match="at least 1 pixel"):
        transform.scale_by(ctx, image=WIDE, upscale_method="area", scale_by=0.01)


@pytest.mark.parametrize(("megapixels", "shape"), [(0.01, (72, 145)), (0.0025, (36, 72))])
def test_scale_to_total_pixels(ctx: Context, megapixels: float, shape: tuple[int, int]) -> None:
    out = transform.scale_to_total_pixels(ctx, image=WIDE, upscale_method="bilinear", megapixels=megapixels)
    assert out.pixels.shape[1:3] == shape


@pytest.mark.parametrize(("steps", "shape"), [(1, (194, 271)), (64, (192, 256)), (5, (195, 270)), (256, (256, 256))])
def test_total_pixels_in_steps(ctx: Context, steps: int, shape: tuple[int, int]) -> None:
    source = Image(torch.zeros(1, 40, 56, 3))
    out = transform.scale_to_total_pixels(
        ctx, image=source, upscale_method="lanczos", megapixels=0.05, resolution_steps=steps
    )
    assert out.pixels.shape[1:3] == shape


def test_total_pixels_are_at_least_one_step_each_way(ctx: Context) -> None:
    source = Image(torch.zeros(1, 1, 400, 3))
    out = transform.scale_to_total_pixels(
        ctx, image=source, upscale_method="area", megapixels=0.01, resolution_steps=64
    )
    assert out.pixels.shape[1:3] == (64, 2048)


def test_scale_to_max_dimension(ctx: Context) -> None:
    tall = Image(WIDE.pixels.transpose(1, 2))
    square = Image(WIDE.pixels[:, :, :30])
    for source, shape in ((WIDE, (7, 14)), (tall, (14, 7)), (square, (14, 14))):
        out = transform.scale_to_max_dimension(ctx, image=source, upscale_method="area", largest_size=14)
        assert out.pixels.shape[1:3] == shape


def test_crop_stays_inside(ctx: Context) -> None:
    assert torch.equal(transform.crop(ctx, image=WIDE, width=4, height=5, x=2, y=3).pixels, WIDE.pixels[:, 3:8, 2:6])
    assert transform.crop(ctx, image=WIDE, width=4, height=5, x=999, y=999).pixels.shape == (1, 1, 1, 3)


def test_flip_and_rotate(ctx: Context) -> None:
    pixels = WIDE.pixels
    assert torch.equal(transform.flip(ctx, image=WIDE, flip_method="x-axis: vertically").pixels, pixels.flip(1))
    assert torch.equal(transform.flip(ctx, image=WIDE, flip_method="y-axis: horizontally").pixels, pixels.flip(2))
    assert torch.equal(transform.rotate(ctx, image=WIDE, rotation="none").pixels, pixels)
    clockwise = transform.rotate(ctx, image=WIDE, rotation="90 degrees").pixels
    assert torch.equal(clockwise[:, 0, -1], pixels[:, 0, 0])
    assert torch.equal(clockwise[:, -1, -1], pixels[:, 0, -1])
    for name, turns in (("180 degrees", 2), ("270 degrees", 3)):
        turned = WIDE
        for _ in range(turns):
            turned = transform.rotate(ctx, image=turned, rotation="90 degrees")
        assert torch.equal(transform.rotate(ctx, image=WIDE, rotation=name).pixels, turned.pixels)


def test_stitch_without_a_second_is_the_first(ctx: Context) -> None:
    assert transform.stitch(ctx, image1=WIDE) is WIDE
    out = transform.stitch(ctx, image1=WIDE, image2=WIDE, spacing_width=2, spacing_color="blue")
    assert out.pixels.shape == (1, 30, 122, 3)
    assert out.pixels[0, 0, 60].tolist() == [0.0, 0.0, 1.0]


def test_resize_and_pad(ctx: Context) -> None:
    out = transform.resize_and_pad(
        ctx, image=WIDE, target_width=20, target_height=20, padding_color="black", interpolation="area"
    )
    assert out.pixels.shape == (1, 20, 20, 3)
    assert (out.pixels[:, :5] == 0).all()
    with pytest.raises(InputInvalid):
        transform.resize_and_pad(
            ctx, image=WIDE, target_width=1, target_height=20, padding_color="black", interpolation="area"
        )
