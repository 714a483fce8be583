"""Latent operations at their edges: batches of other sizes, latents narrower than the smallest crop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.context import Context
from engine.errors import InputInvalid
from nodes import latent_ops as nodes
from nodes.values import Latent


def latent(batch: int, height: int = 8, width: int = 6) -> Latent:
    count = batch * 4 * height * width
    return Latent(torch.arange(float(count)).reshape(batch, 4, height, width) / count)


@pytest.mark.parametrize(("first", "second", "made"), [(1, 2, 2), (2, 1, 2), (1, 1, 1), (3, 3, 3), (2, 3, 2)])
def test_blending_one_latent_with_each_of_a_batch(ctx: Context, first: int, second: int, made: int) -> None:
    one, two = latent(first), latent(second)
    blended = nodes.latent_blend(ctx, samples1=one, samples2=two, blend_factor=0.25).samples
    assert blended.shape[0] == made
    for item in range(made):
        a, b = one.samples[min(item, first - 1)], two.samples[min(item, second - 1)]
        torch.testing.assert_close(blended[item], a * 0.25 + b * 0.75)


def crop(ctx: Context, samples: Latent, width: int, height: int, x: int, y: int) -> Tensor:
    return nodes.latent_crop(ctx, samples=samples, width=width, height=height, x=x, y=y).samples


def test_a_crop_of_a_narrow_latent_counts_from_its_end(ctx: Context) -> None:
    narrow = latent(1, 8, 6)
    assert torch.equal(crop(ctx, narrow, 512, 512, 16, 0), narrow.samples[..., -2:])
    assert torch.equal(crop(ctx, narrow, 512, 512, 0, 0), narrow.samples[..., -2:])
    wide = latent(1, 20, 30)
    assert torch.equal(crop(ctx, wide, 64, 32, 40, 16), wide.samples[..., 2:6, 5:13])
    assert torch.equal(crop(ctx, wide, 512, 512, 999, 999), wide.samples[..., 12:, 22:])


def test_a_crop_of_nothing_is_refused(ctx: Context) -> None:
    with pytest.raises(InputInvalid, match="nothing is left") as caught:
        crop(ctx, latent(1, 8, 6), 16, 64, 0, 0)
    assert caught.value.input == "samples"
