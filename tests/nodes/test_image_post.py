"""Blends, filters, palettes and edges."""

from __future__ import annotations

import kornia
import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from engine.context import Context
from engine.errors import InputInvalid
from engine.types import Image
from nodes import image_post as post

A = Image(torch.rand(2, 12, 10, 3, generator=torch.Generator().manual_seed(1)))
B = Image(torch.rand(2, 12, 10, 3, generator=torch.Generator().manual_seed(2)))


@pytest.mark.parametrize("mode", ["normal", "multiply", "screen", "overlay", "soft_light", "difference"])
def test_blend(ctx: Context, mode: str) -> None:
    a, b = A.pixels.double(), B.pixels.double()
    lifted = torch.where(a <= 0.25, ((16 * a - 12) * a + 4) * a, a.sqrt())
    full = {
        "normal": b,
        "multiply": a * b,
        "screen": a + b - a * b,
        "overlay": torch.where(a <= 0.5, 2 * a * b, 1 - 2 * (1 - a) * (1 - b)),
        "soft_light": torch.where(b <= 0.5, a - (1 - 2 * b) * a * (1 - a), a + (2 * b - 1) * (lifted - a)),
        "difference": a - b,
    }[mode]
    for factor in (0.0, 0.3, 1.0):
        out = post.blend(ctx, image1=A, image2=B, blend_factor=factor, blend_mode=mode).pixels
        torch.testing.assert_close(out, (a * (1 - factor) + full * factor).clamp(0, 1).float(), atol=1e-6, rtol=0)


def test_blend_fits_the_second_to_the_first(ctx: Context) -> None:
    other = Image(torch.rand(1, 5, 30, 4))
    assert post.blend(ctx, image1=A, image2=other, blend_factor=0.5, blend_mode="screen").pixels.shape == A.pixels.shape


def test_blur_and_sharpen_keep_a_flat_picture(ctx: Context) -> None:
    flat = Image(torch.full((1, 8, 9, 3), 0.25))
    torch.testing.assert_close(post.blur(ctx, image=flat, blur_radius=3, sigma=0.7).pixels, flat.pixels)
    sharp = post.sharpen(ctx, image=flat, sharpen_radius=3, sigma=0.7, alpha=2.0).pixels
    torch.testing.assert_close(sharp, flat.pixels, atol=1e-5, rtol=0)


def test_blur_is_a_weighted_mean(ctx: Context) -> None:
    point = torch.zeros(1, 5, 5, 1)
    point[0, 2, 2] = 1.0
    out = post.blur(ctx, image=Image(point), blur_radius=1, sigma=0.5).pixels[0, 1:4, 1:4, 0]
    weights = torch.tensor([[np.exp(-4.0), np.exp(-2.0), np.exp(-4.0)]] * 3)
    weights[1] = torch.tensor([np.exp(-2.0), 1.0, np.exp(-2.0)])
    torch.testing.assert_close(out, (weights / weights.sum()).float())


def test_radius_larger_than_the_picture_is_refused(ctx: Context) -> None:
    with pytest.raises(InputInvalid, match="radius 12 is too large"):
        post.blur(ctx, image=A, blur_radius=12, sigma=1.0)


@pytest.mark.parametrize("dither", ["none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"])
def test_quantize_uses_few_colours(ctx: Context, dither: str) -> None:
    out = post.quantize(ctx, image=A, colors=5, dither=dither).pixels
    assert out.shape == A.pixels.shape
    for picture in out:
        assert len(picture.reshape(-1, 3).unique(dim=0)) <= 5


def test_quantize_without_dithering_is_pillows(ctx: Context) -> None:
    levels = (A.pixels[0] * 255).to(torch.uint8).numpy()
    picture = Pillow.fromarray(levels)
    palette = picture.quantize(colors=7)
    expected = picture.quantize(palette=palette, dither=Pillow.Dither.NONE).convert("RGB")
    out = post.quantize(ctx, image=A, colors=7, dither="none").pixels[0]
    np.testing.assert_array_equal((out * 255).round().numpy(), np.asarray(expected))


def test_bayer_matrix() -> None:
    from nodes.pictures import colour

    tile = colour._bayer(4, (4, 4))
    ranks = ((tile + 0.5) * 16 - 0.5).round().astype(int)
    assert ranks.tolist() == [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]
    assert colour._bayer(4, (5, 9)).shape == (5, 9)


@pytest.mark.parametrize("operation", ["erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat"])
def test_morphology(ctx: Context, operation: str) -> None:
    out = post.morphology(ctx, image=A, operation=operation, kernel_size=3).pixels
    assert out.shape == A.pixels.shape
    dilated = torch.nn.functional.max_pool2d(A.pixels.movedim(-1, 1), 3, 1, 1).movedim(1, -1)
    eroded = -torch.nn.functional.max_pool2d(-A.pixels.movedim(-1, 1), 3, 1, 1).movedim(1, -1)
    expected = {"dilate": dilated, "erode": eroded, "gradient": dilated - eroded}
    if operation in expected:
        torch.testing.assert_close(out, expected[operation])
    elif operation in ("open", "top_hat"):
        assert (out <= A.pixels + 1e-6).all()
    else:
        assert (out >= (A.pixels if operation == "close" else 0 * A.pixels) - 1e-6).all()


def test_canny_finds_a_square(ctx: Context) -> None:
    pixels = torch.zeros(1, 32, 32, 3)
    pixels[:, 8:24, 8:24] = 1.0
    out = post.canny(ctx, image=Image(pixels)).pixels
    assert out.shape == (1, 32, 32, 3)
    assert set(out.unique().tolist()) == {0.0, 1.0}
    assert out[0, 16, 7:9].max() == 1.0
    assert out[0, 14:18, 14:18].max() == 0.0
    with pytest.raises(InputInvalid, match="above high_threshold"):
        post.canny(ctx, image=Image(pixels), low_threshold=0.8, high_threshold=0.4)


def test_yuv_and_back(ctx: Context) -> None:
    planes = post.rgb_to_yuv(ctx, image=A)
    expected = kornia.color.rgb_to_ycbcr(A.pixels.movedim(-1, 1)).movedim(1, -1)
    for index, plane in enumerate(planes):
        assert torch.equal(plane.pixels, expected[..., index : index + 1].expand(-1, -1, -1, 3))
    back = post.yuv_to_rgb(ctx, Y=planes.Y, U=planes.U, V=planes.V)
    torch.testing.assert_close(back.pixels, A.pixels, atol=2e-3, rtol=0)
