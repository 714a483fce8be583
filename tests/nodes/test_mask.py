"""Mask nodes."""

from __future__ import annotations

import pytest
import torch

from engine.context import Context
from engine.errors import InputInvalid
from engine.types import Image, Mask
from nodes import mask as nodes

RANDOM = Mask(torch.rand(2, 6, 8, generator=torch.Generator().manual_seed(1)))


def test_solid_invert_threshold(ctx: Context) -> None:
    solid = nodes.solid_mask(ctx, value=0.25, width=4, height=3)
    assert solid.values.shape == (1, 3, 4)
    assert solid.values.dtype == torch.float32
    assert nodes.invert_mask(ctx, mask=solid).values.unique().tolist() == [0.75]
    assert nodes.threshold_mask(ctx, mask=solid, value=0.25).values.unique().tolist() == [0.0]
    assert nodes.threshold_mask(ctx, mask=solid, value=0.24).values.unique().tolist() == [1.0]


def test_crop(ctx: Context) -> None:
    out = nodes.crop_mask(ctx, mask=RANDOM, x=2, y=1, width=3, height=99)
    assert torch.equal(out.values, RANDOM.values[:, 1:, 2:5])
    with pytest.raises(InputInvalid, match="outside the mask, which is 8x6"):
        nodes.crop_mask(ctx, mask=RANDOM, x=8, y=0)


def test_composite_repeats_the_source(ctx: Context) -> None:
    source = Mask(torch.ones(1, 2, 2))
    out = nodes.composite_masks(ctx, destination=RANDOM, source=source, x=1, y=1, operation="or")
    assert out.values.shape == (2, 6, 8)
    assert (out.values[:, 1:3, 1:3] == 1).all()
    many = nodes.composite_masks(ctx, destination=source, source=RANDOM, operation="multiply")
    assert torch.equal(many.values, RANDOM.values[:1, :2, :2])


def test_feather_and_grow(ctx: Context) -> None:
    ones = Mask(torch.ones(1, 4, 4))
    assert nodes.feather_mask(ctx, mask=ones, left=4).values[0, 0].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert nodes.feather_mask(ctx, mask=ones, right=2).values[0, 0].tolist() == [1.0, 1.0, 1.0, 0.5]
    assert nodes.feather_mask(ctx, mask=ones, bottom=4).values[0, :, 0].tolist() == [1.0, 0.75, 0.5, 0.25]
    both = nodes.feather_mask(ctx, mask=ones, top=9, right=2).values[0]
    assert both[:, 3].tolist() == [0.125, 0.25, 0.375, 0.5]
    point = torch.zeros(1, 5, 5)
    point[0, 2, 2] = 1
    assert nodes.grow_mask(ctx, mask=Mask(point), expand=1).values.sum() == 5
    assert nodes.grow_mask(ctx, mask=Mask(point), expand=1, tapered_corners=False).values.sum() == 9
    assert nodes.grow_mask(ctx, mask=Mask(point), expand=-1).values.sum() == 0
    assert torch.equal(nodes.grow_mask(ctx, mask=RANDOM, expand=0).values, RANDOM.values)


@pytest.mark.parametrize("channel", ["red", "green", "blue", "alpha"])
def test_masks_and_pictures(ctx: Context, channel: str) -> None:
    grey = nodes.mask_to_image(ctx, mask=RANDOM)
    assert grey.pixels.shape == (2, 6, 8, 3)
    pixels = torch.rand(2, 6, 8, 4)
    index = ["red", "green", "blue", "alpha"].index(channel)
    assert torch.equal(nodes.image_to_mask(ctx, image=Image(pixels), channel=channel).values, pixels[..., index])


def test_alpha_that_is_not_there(ctx: Context) -> None:
    with pytest.raises(InputInvalid, match="no alpha channel"):
        nodes.image_to_mask(ctx, image=Image(torch.rand(1, 2, 2, 3)), channel="alpha")


def test_colour_mask(ctx: Context) -> None:
    pixels = torch.zeros(1, 1, 2, 3)
    pixels[0, 0, 1] = torch.tensor([1.0, 0.0, 1.0])
    assert nodes.color_to_mask(ctx, image=Image(pixels), color=0xFF00FF).values[0, 0].tolist() == [0.0, 1.0]
