"""Sampling in spaces of any form: films, latents of several parts, empty latents that were made for another model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.context import Context
from engine.errors import InputInvalid
from engine.events import Event, EventLog, NodeNote
from engine.folders import Folders
from engine.model_store import ModelStore
from nodes import model_patches
from nodes.diffusion import joint, latent_effects, latents
from nodes.diffusion.fitting import fit_latent, fit_noise_mask
from nodes.diffusion.inputs import Input, join
from nodes.diffusion.latent_batches import rebatch
from nodes.diffusion.sampling import sample
from nodes.hooks import Call
from nodes.latent import empty, empty_latent, empty_sd3_latent, repeat_latent_batch
from nodes.latent_ops import latent_flip, latent_rotate
from nodes.latent_space import LatentSpace
from nodes.sampling_values import Guider, Sampler
from nodes.values import Area, Cond, Conditioning, Latent
from tests.nodes.families.toy_film import FAMILY
from tests.nodes.families.toy_film.denoiser import GIVEN, model, step

SPACE = replace(FAMILY.space, others=())
SIGMAS = torch.tensor([1.0, 0.7, 0.3, 0.0])


@pytest.fixture
def ctx() -> Context:
    return Context(Folders({}), ModelStore("cpu"))


@pytest.fixture(autouse=True)
def given() -> Iterator[list[dict[str, Any]]]:
    GIVEN.clear()
    yield GIVEN
    GIVEN.clear()


def prompt(value: float, tokens: int = 3, **fields: Any) -> Conditioning:
    return Conditioning((Cond(torch.full((1, tokens, 2), value), **fields),))


def guider(positive: Conditioning, negative: Conditioning | None = None, **changes: Any) -> Guider:
    prompts = {"positive": positive} | ({} if negative is None else {"negative": negative})
    return Guider(model(**changes), "cfg", prompts, 2.0 if negative else 1.0)


def film(batch: int = 1) -> Latent:
    return empty(SPACE, 64, 32, frames=9, batch=batch)


def with_sound(latent: Latent, **fields: Any) -> Latent:
    return replace(latent, others=(Latent(torch.zeros(latent.samples.shape[0], 2, 5, 4), **fields),))


def sampled(ctx: Context, guide: Guider, latent: Latent, seed: int = 7) -> Latent:
    return sample(ctx, guide, Sampler("euler"), SIGMAS, latent, noise_seed=seed, seed=seed).output


def test_a_film_is_denoised_as_one(ctx: Context, given: list[dict[str, Any]]) -> None:
    latent = film(batch=2)
    assert latent.samples.shape == (2, 3, 3, 2, 4)
    output = sampled(ctx, guider(prompt(1.5), space=SPACE), latent).samples
    # The clean latent in the denoiser's scale is 1.5: (latent - 0.25) * 2.
    torch.testing.assert_close(output, torch.full((2, 3, 3, 2, 4), 1.0))
    expected = torch.randn(latent.samples.shape, generator=torch.Generator().manual_seed(7))
    assert torch.equal(given[0]["parts"][0], expected), "noise in the latent's own shape, at sigma 1 alone"


def test_film_and_sound_are_denoised_together(ctx: Context, given: list[dict[str, Any]]) -> None:
    output = sampled(ctx, guider(prompt(1.5)), with_sound(film()))
    torch.testing.assert_close(output.samples, torch.full((1, 3, 3, 2, 4), 1.0))
    torch.testing.assert_close(output.others[0].samples, torch.full((1, 2, 5, 4), 3.0), msg="each in its own scale")
    source = torch.Generator().manual_seed(7)
    for part in given[0]["parts"]:
        assert torch.equal(part, torch.randn(part.shape, generator=source)), "one generator, part after part"
    assert given[0]["call"].shapes == ((1, 3, 3, 2, 4), (1, 2, 5, 4))


def test_each_part_has_a_mask_of_its_own(ctx: Context, given: list[dict[str, Any]]) -> None:
    mask = torch.zeros(3, 2, 4)
    mask[1:] = 1.0
    latent = with_sound(replace(film(), samples=torch.ones(1, 3, 3, 2, 4), noise_mask=mask))
    output = sampled(ctx, guider(prompt(9.0)), latent)
    torch.testing.assert_close(output.samples[:, :, 0], torch.ones(1, 3, 2, 4)), "kept"
    torch.testing.assert_close(output.samples[:, :, 1:], torch.full((1, 3, 2, 2, 4), 4.75))
    torch.testing.assert_close(output.others[0].samples, torch.full((1, 2, 5, 4), 18.0)), "without one, all is denoised"
    assert given[0]["denoise_mask"].shape == (1, 1, 3, 2, 4)


@pytest.mark.parametrize("clean", [False, True])
def test_what_a_mask_keeps_is_shown_with_noise_or_without(
    ctx: Context, given: list[dict[str, Any]], clean: bool
) -> None:
    latent = replace(film(), samples=torch.ones(1, 3, 3, 2, 4), noise_mask=torch.zeros(1, 1, 3, 2, 4))
    sampled(ctx, guider(prompt(9.0), space=SPACE, keeps_clean=clean), latent)
    shown = given[1]["parts"][0]
    assert torch.equal(shown, torch.full_like(shown, 1.5)) == clean


def test_prompts_of_different_lengths_are_padded_with_a_mask(ctx: Context, given: list[dict[str, Any]]) -> None:
    alone = sampled(ctx, guider(prompt(1.5, tokens=3), space=SPACE), film())
    assert "text_mask" not in given[-1]
    sampled(ctx, guider(prompt(1.5, tokens=3), prompt(0.5, tokens=5), space=SPACE), film())
    assert given[-1]["text"].shape == (2, 5, 2)
    assert given[-1]["text_mask"].sum(dim=1).tolist() == [5, 3]
    assert alone.samples.shape == (1, 3, 3, 2, 4)


def test_areas_do_not_go_with_several_parts(ctx: Context) -> None:
    boxed = prompt(1.0, area=Area(1, 1, 0, 0))
    with pytest.raises(InputInvalid, match="several parts") as caught:
        sampled(ctx, guider(boxed), with_sound(film()))
    assert caught.value.input == "positive"


def test_an_area_of_a_film_is_that_part_of_every_frame(ctx: Context) -> None:
    both = Conditioning((*prompt(1.5).entries, *prompt(3.5, area=Area(2, 2, 0, 2)).entries))
    output = sampled(ctx, guider(both, space=SPACE), film()).samples
    torch.testing.assert_close(output[..., :2], torch.full((1, 3, 3, 2, 2), 1.0))
    assert (output[..., 2:] > 1.4).all()


@pytest.mark.parametrize(
    ("latent", "shape"),
    [
        (lambda: empty_latent(None, width=128, height=64), (1, 3, 1, 4, 8)),  # type: ignore[arg-type]
        (lambda: empty_sd3_latent(None, width=128, height=64, batch_size=2), (2, 3, 1, 4, 8)),  # type: ignore[arg-type]
        (lambda: Latent(torch.zeros(1, 16, 8, 16)), (1, 3, 1, 8, 16)),
        (lambda: empty(SPACE, 128, 64, frames=5), (1, 3, 2, 4, 8)),
    ],
    ids=["of 8 px", "of 8 px, two", "of unknown", "of 16 px"],
)
def test_an_empty_latent_is_fitted(latent: Any, shape: tuple[int, ...]) -> None:
    """Channels, pixels a cell and the axis of frames become the model's, as ComfyUI 0.33.0 does it."""
    assert fit_latent(latent(), SPACE).samples.shape == shape


def test_a_latent_that_holds_something_keeps_its_size_and_gets_frames() -> None:
    full = Latent(torch.ones(1, 3, 8, 16), space=LatentSpace(4))
    assert fit_latent(full, SPACE).samples.shape == (1, 3, 1, 8, 16)
    with pytest.raises(InputInvalid, match="16 channels, but the model works on 3"):
        fit_latent(Latent(torch.ones(1, 16, 8, 16)), SPACE)
    with pytest.raises(InputInvalid, match="3 dimensions beside its channels"):
        fit_latent(film(), LatentSpace(3))


def test_a_sampled_latent_is_of_no_other_models_space(ctx: Context) -> None:
    assert sampled(ctx, guider(prompt(1.0), space=SPACE), film()).space is None


@pytest.mark.parametrize(
    ("mask", "shape"),
    [
        (torch.rand(1, 6, 8), (2, 3, 3, 4)),
        (torch.rand(4, 6, 8), (1, 3, 4, 6, 8)),
        (torch.rand(2, 1, 4, 6, 8), (2, 3, 4, 6, 8)),
        (torch.rand(1, 1, 12), (1, 2, 6)),
    ],
)
def test_masks_fit_grids_of_any_dimensions(mask: Tensor, shape: tuple[int, ...]) -> None:
    fitted = fit_noise_mask(mask, torch.Size(shape))
    assert fitted.shape == shape
    assert torch.equal(fitted[:, 0], fitted[:, -1])
    if mask.shape[-2:] == shape[-2:]:
        assert torch.equal(fitted[0, 0], mask.reshape(-1, *shape[-3:])[0])


def test_films_are_repeated_as_pictures_are() -> None:
    assert repeat_latent_batch(None, samples=film(), amount=3).samples.shape == (3, 3, 3, 2, 4)  # type: ignore[arg-type]


def test_films_are_resized_and_composed_frame_by_frame() -> None:
    film_latent, picture = torch.randn(2, 3, 4, 6, 8), torch.randn(1, 3, 4, 3, 4)
    whole = latents.resize(film_latent, 5, 7, "bilinear")
    assert whole.shape == (2, 3, 4, 7, 5)
    for frame in range(4):
        torch.testing.assert_close(whole[:, :, frame], latents.resize(film_latent[:, :, frame], 5, 7, "bilinear"))
    mask = torch.rand(1, 3, 4)
    laid = latents.composite(film_latent, picture, 2, 1, mask, resize_source=False)
    for frame in range(4):
        expected = latents.composite(film_latent[:, :, frame], picture[:, :, frame], 2, 1, mask, resize_source=False)
        torch.testing.assert_close(laid[:, :, frame], expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda latent: latent_rotate(None, samples=latent, rotation="90 degrees").samples,
        lambda latent: latent_flip(None, samples=latent, flip_method="x-axis: vertically").samples,
        lambda latent: latent_effects.sharpen(latent.samples, 1, 0.5, 0.2),
        lambda latent: rebatch([latent], 2)[0].samples,
    ],
    ids=["rotate", "flip", "sharpen", "rebatch"],
)
def test_what_changes_pictures_changes_each_frame(change: Any) -> None:
    film_latent = torch.randn(2, 3, 4, 6, 8, generator=torch.Generator().manual_seed(2))
    whole = change(Latent(film_latent))
    for frame in range(4):
        torch.testing.assert_close(whole[:, :, frame], change(Latent(film_latent[:, :, frame])))


def test_patches_of_unets_on_other_networks(ctx: Context) -> None:
    with pytest.raises(InputInvalid, match="skips of a UNet, which models of Toy film do not have"):
        model_patches.free_u(ctx, model=model())
    told: list[Event] = []
    model_patches.merge_tokens(replace(ctx, log=EventLog(told.append)), model=model())
    assert [event.message for event in told if isinstance(event, NodeNote)] == [
        "TomePatchModel changes nothing: models of Toy film have no place for it"
    ]


def job(value: float, tokens: int, rows: int) -> joint.Pass:
    prompts = [{"text": Input(torch.full((1, tokens, 2), value), "pad")}] * rows
    x = torch.randn(rows, 3, 3, 2, 4, generator=torch.Generator().manual_seed(tokens))
    shapes = ((1, 3, 3, 2, 4),)
    return joint.Pass(step, None, x, torch.full((rows,), value), join(prompts, 1), Call(shapes=shapes))


def test_jobs_with_prompts_of_any_length_share_a_pass_and_get_what_they_get_alone(given: list[dict[str, Any]]) -> None:
    jobs = [job(0.5, 3, 1), job(0.25, 5, 2), job(0.75, 3, 1)]
    assert len({one.kind for one in jobs}) == 1
    together = joint.all_at_once(jobs)
    assert len(given) == 1
    assert given[0]["text_mask"].sum(dim=1).tolist() == [3, 5, 5, 3]
    for one, output in zip(jobs, together, strict=True):
        # The toy's clean latent is the mean of its tokens, padding included: that alone tells the two apart.
        (alone,) = joint.all_at_once([one])
        length = one.inputs["text"].value.shape[1]
        clean = one.timestep[0]
        torch.testing.assert_close(output * clean, alone * clean + clean * (1 - length / 5))


def test_jobs_in_other_spaces_go_apart() -> None:
    one = job(0.5, 3, 1)
    nested = replace(one, call=replace(one.call, shapes=((1, 3, 3, 2, 2), (1, 3, 3, 2, 2))))
    assert one.kind != nested.kind
