"""Making pictures and putting them together."""

from __future__ import annotations

import pytest
import torch

from engine.context import Context
from engine.errors import InputInvalid
from engine.types import Image, Mask
from nodes import image
from nodes.latent import latent_from_batch
from nodes.values import Latent


def picture(*shape: int, seed: int = 1) -> Image:
    return Image(torch.rand(shape, generator=torch.Generator().manual_seed(seed)))


def test_empty_image_has_the_colour(ctx: Context) -> None:
    out = image.empty_image(ctx, width=5, height=3, batch_size=2, color=0x336699).pixels
    assert out.shape == (2, 3, 5, 3)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out[1, 2, 4], torch.tensor([0x33, 0x66, 0x99]) / 255, rtol=0, atol=0)


def test_invert_leaves_its_input_alone(ctx: Context) -> None:
    before = picture(1, 2, 2, 3)
    kept = before.pixels.clone()
    assert torch.equal(image.invert(ctx, image=before).pixels, 1 - kept)
    assert torch.equal(before.pixels, kept)


def test_batch_crops_and_resizes_the_second(ctx: Context) -> None:
    out = image.batch_two(ctx, image1=picture(1, 4, 6, 4), image2=picture(2, 9, 9, 3)).pixels
    assert out.shape == (3, 4, 6, 4)
    assert out[1:, ..., 3].unique().tolist() == [1.0]


def test_batch_of_many(ctx: Context) -> None:
    images = {f"image{n}": picture(1, 4, 4, 3, seed=n) for n in range(3)}
    out = image.batch_images(ctx, images=images).pixels
    assert torch.equal(out, torch.cat([each.pixels for each in images.values()]))
    masks = {f"mask{n}": Mask(torch.full((1, 4 + n, 4), n / 2)) for n in range(3)}
    assert image.batch_masks(ctx, masks=masks).values.mean((1, 2)).tolist() == [0.0, 0.5, 1.0]


PLACES = [(0, 1, [0]), (1, 2, [1, 2]), (3, 9, [3]), (99, 1, [3]), (0, 99, [0, 1, 2, 3])]
FROM_THE_END = [(-1, 1, [3]), (-3, 2, [1, 2]), (-9, 1, [0]), (-1, 9, [3])]


@pytest.mark.parametrize(("start", "length", "expected"), PLACES + FROM_THE_END)
def test_from_batch(ctx: Context, start: int, length: int, expected: list[int]) -> None:
    source = picture(4, 2, 2, 3)
    out = image.from_batch(ctx, image=source, batch_index=start, length=length).pixels
    assert torch.equal(out, source.pixels[expected])


@pytest.mark.parametrize(("start", "length", "expected"), PLACES + FROM_THE_END)
def test_latents_from_batch(ctx: Context, start: int, length: int, expected: list[int]) -> None:
    samples = torch.arange(4.0).reshape(4, 1, 1, 1)
    made = latent_from_batch(ctx, samples=Latent(samples, samples), batch_index=start, length=length)
    assert torch.equal(made.samples, samples[expected])
    assert made.noise_mask is not None
    assert torch.equal(made.noise_mask, samples[expected])
    assert made.batch_index == tuple(expected)


def test_repeat_and_rebatch(ctx: Context) -> None:
    source = picture(2, 2, 2, 3)
    repeated = image.repeat_batch(ctx, image=source, amount=3)
    assert torch.equal(repeated.pixels, source.pixels[[0, 1, 0, 1, 0, 1]])
    batches = image.rebatch(ctx, images=[source, repeated], batch_size=[3])
    assert [len(each.pixels) for each in batches] == [3, 3, 2]
    assert torch.equal(torch.cat([each.pixels for each in batches])[:2], source.pixels)


def test_size(ctx: Context) -> None:
    assert image.get_size(ctx, image=picture(2, 3, 5, 3)) == (5, 3, 2)


def test_composite_resizes_the_source(ctx: Context) -> None:
    below, above = picture(1, 8, 8, 3), Image(torch.ones(1, 2, 2, 3))
    out = image.composite_masked(ctx, destination=below, source=above, x=0, y=0, resize_source=True)
    assert out.pixels.unique().tolist() == [1.0]
    out = image.composite_masked(ctx, destination=below, source=above, x=6, y=7, mask=Mask(torch.full((1, 2, 2), 0.5)))
    torch.testing.assert_close(out.pixels[0, 7, 6], (below.pixels[0, 7, 6] + 1) / 2)
    assert torch.equal(out.pixels[:, :7], below.pixels[:, :7])


def test_noise_is_the_seeds(ctx: Context) -> None:
    source = Image(torch.full((1, 4, 4, 3), 0.5))
    state = torch.random.get_rng_state()
    out = image.add_noise(ctx, image=source, seed=2**64 - 1, strength=0.1).pixels
    assert torch.equal(torch.random.get_rng_state(), state)
    generator = torch.Generator().manual_seed(2**64 - 1)
    expected = source.pixels + 0.1 * torch.randn((1, 4, 4, 3), generator=generator)
    assert torch.equal(out, expected.clamp(0, 1))


def test_alpha_joins_and_splits(ctx: Context) -> None:
    source, mask = picture(1, 4, 4, 3), Mask(torch.rand(2, 4, 4))
    joined = image.join_alpha(ctx, image=source, alpha=mask)
    assert joined.pixels.shape == (2, 4, 4, 4)
    back = image.split_alpha(ctx, image=joined)
    assert torch.equal(back.IMAGE.pixels, source.pixels[[0, 0]])
    torch.testing.assert_close(back.MASK.values, mask.values)
    assert image.split_alpha(ctx, image=source).MASK.values.unique().tolist() == [0.0]


def test_porter_duff_fits_all_to_the_destination(ctx: Context) -> None:
    out = image.porter_duff(
        ctx,
        source=picture(2, 3, 9, 3),
        source_alpha=Mask(torch.rand(3, 2, 2)),
        destination=picture(4, 6, 8, 3, seed=2),
        destination_alpha=Mask(torch.rand(2, 5, 5)),
        mode="SRC_OVER",
    )
    assert out.IMAGE.pixels.shape == (2, 6, 8, 3)
    assert out.MASK.values.shape == (2, 6, 8)
    with pytest.raises(InputInvalid, match="number of channels"):
        image.porter_duff(
            ctx,
            source=picture(1, 2, 2, 4),
            source_alpha=Mask(torch.rand(1, 2, 2)),
            destination=picture(1, 2, 2, 3),
            destination_alpha=Mask(torch.rand(1, 2, 2)),
        )


def test_outpainting_gives_a_batch_of_one_mask(ctx: Context) -> None:
    out = image.pad_for_outpaint(ctx, image=picture(2, 16, 16, 3), left=8, feathering=4)
    assert out.IMAGE.pixels.shape == (2, 16, 24, 3)
    assert out.MASK.values.shape == (1, 16, 24)
