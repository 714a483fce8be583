"""LTX-Video apart from what recorded cases show: guides, what they weigh, frame rates, pictures made worse."""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np
import pytest
import torch

from engine.context import Context
from engine.errors import InputInvalid
from engine.types import Image
from nodes import builtin_registry, media
from nodes.diffusion.inputs import Scene
from nodes.families.found import families
from nodes.families.ltx.denoiser import LTXVariant, cells_of, tokens_there
from nodes.families.ltx.guides import GuideWeights, of_cells, token_weights
from nodes.families.ltx.nodes import guides
from nodes.families.ltx.places import bounds
from nodes.families.ltx.spaces import SPACE
from nodes.families.ltx.vae_network import patched, unpatched
from nodes.values import Cond, Conditioning, Latent, Vae

REGISTRY = builtin_registry()
PROMPT = Conditioning((Cond(torch.zeros(1, 3, 8)),))


def made(name: str, **inputs: Any) -> Any:
    return REGISTRY[name].run(cast(Context, None), **inputs)


@pytest.fixture
def vae(monkeypatch: pytest.MonkeyPatch) -> Vae:
    """One whose latents are as many steps as the clip has, of ones."""

    def encoded(ctx: Context, vae: Vae, pixels: torch.Tensor, width: int, height: int, length: int, **_: Any) -> Any:
        assert len(pixels) == length
        return torch.ones(1, 128, (length - 1) // 8 + 1, height // 32, width // 32)

    monkeypatch.setattr(guides.diffusion.film_frames, "framed_and_encoded", encoded)
    return Vae(cast(Any, None), families()["ltx"].vaes[0], SPACE)


def guided(vae: Vae, frames: int, frame: int, **inputs: Any) -> Any:
    latent = inputs.pop("latent", Latent(torch.zeros(1, 128, 4, 2, 2)))
    image = Image(torch.zeros(frames, 64, 64, 3))
    prompts = inputs.pop("prompts", (PROMPT, PROMPT))
    return made(
        "LTXVAddGuide",
        positive=prompts[0],
        negative=prompts[1],
        vae=vae,
        latent=latent,
        image=image,
        frame_idx=frame,
        **inputs,
    )


@pytest.mark.parametrize(
    ("frames", "frame", "steps", "first"),
    [(1, 0, 1, 0), (1, 11, 1, 11), (1, -1, 1, 24), (9, 0, 2, 0), (8, 5, 1, 5), (9, 12, 1, 9), (20, -30, 3, 0)],
)
def test_a_guide_stands_behind_the_film_and_says_where_it_belongs(
    vae: Vae, frames: int, frame: int, steps: int, first: int
) -> None:
    positive, negative, latent = guided(vae, frames, frame, strength=0.75)
    assert latent.samples.shape[2] == 4 + steps and bool(latent.samples[:, :, 4:].all())
    assert latent.noise_mask[0, 0, :, 0, 0].tolist() == [1.0] * 4 + [0.25] * steps
    for prompt in (positive, negative):
        places = prompt.entries[0].extra["keyframe_idxs"]
        assert places.shape == (1, 3, steps * 4, 2) and places[0, 0, 0, 0] == first
    cropped = made("LTXVCropGuides", positive=positive, negative=negative, latent=latent)
    assert torch.equal(cropped.latent.samples, torch.zeros(1, 128, 4, 2, 2))
    assert cropped.positive.entries[0].extra["keyframe_idxs"] is None


def test_the_second_guide_counts_from_the_films_end_and_not_from_the_firsts(vae: Vae) -> None:
    positive, negative, latent = guided(vae, 1, 0)
    positive, _, latent = guided(vae, 1, -1, latent=latent, prompts=(positive, negative))
    assert latent.samples.shape[2] == 6
    assert positive.entries[0].extra["keyframe_idxs"][0, 0, :, 0].tolist() == [0] * 4 + [24] * 4


def test_a_guide_that_ends_behind_the_film_is_refused(vae: Vae) -> None:
    with pytest.raises(InputInvalid, match="ends behind the film of 4 steps"):
        guided(vae, 17, 20)


def test_a_smaller_guide_has_cells_apart_and_the_network_gets_no_others(vae: Vae) -> None:
    latent = Latent(torch.zeros(1, 128, 2, 4, 4))
    positive, _, latent = guided(vae, 1, 0, latent=latent, iclora_parameters={"reference_downscale_factor": 2})
    places = positive.entries[0].extra["keyframe_idxs"]
    assert places.shape[2] == 16 and places[0, 1:, 0].tolist() == [[0, 64], [0, 64]]
    assert int((latent.noise_mask < 0).sum()) == 12
    noisy = latent.noise_mask
    there = tokens_there({"noisy": noisy, "guides": places})
    assert not isinstance(there, slice) and len(there) == 2 * 16 + 4
    tokens = torch.arange(36.0).reshape(1, 36, 1)
    cells = cells_of(tokens, there, (3, 4, 4))
    assert torch.equal(cells.flatten(2)[0, 0, there], tokens[0, :, 0]) and int((cells != 0).sum()) == 35
    with pytest.raises(InputInvalid, match="not divided by 3"):
        guided(
            vae, 1, 0, latent=Latent(torch.zeros(1, 128, 2, 4, 4)), iclora_parameters={"reference_downscale_factor": 3}
        )


def test_guides_of_another_size_are_refused_with_the_prompts_name(vae: Vae) -> None:
    positive, _, _ = guided(vae, 1, 0)
    family = families()["ltx"]
    variant = LTXVariant(8, (20, 2048, 2048), 1e4, True, 1000.0)
    model = type("M", (), {"variant": variant, "family": family, "space": SPACE})
    scene = Scene(cast(Any, model), torch.zeros(1, 128, 3, 3, 3), None, torch.zeros(1), "negative")
    with pytest.raises(InputInvalid, match="guides have 4 tokens") as caught:
        family.sampling.inputs(positive.entries[0], scene)
    assert caught.value.input == "negative"


def test_only_what_a_guide_weighs_changes_attention() -> None:
    q, k, v = torch.randn(3, 1, 2, 6, 4, generator=torch.Generator().manual_seed(0)).unbind()
    plain = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    assert torch.allclose(GuideWeights.of(torch.ones(1, 2)).mix(q, k, v), plain, atol=1e-6)
    hidden = GuideWeights.of(torch.zeros(1, 2)).mix(q, k, v)
    film = torch.nn.functional.scaled_dot_product_attention(q[:, :, :4], k[:, :, :4], v[:, :, :4])
    own = torch.nn.functional.scaled_dot_product_attention(q[:, :, 4:], k[:, :, 4:], v[:, :, 4:])
    assert torch.allclose(hidden, torch.cat([film, own], dim=2), atol=1e-6)


def test_weights_are_strengths_times_the_masks_means() -> None:
    mask = torch.zeros(1, 1, 9, 4, 4)
    mask[:, :, :5, :2] = 1
    assert of_cells(mask, (2, 2, 1)).tolist() == [[1.0, 0.0, 0.5, 0.0]]
    assert of_cells(mask[:, :, :1], (2, 2, 1)).tolist() == [[1.0, 0.0, 1.0, 0.0]]
    plain = {"strength": 1.0, "pixel_mask": None, "latent_shape": (1, 1, 1)}
    masked = {"strength": 0.5, "pixel_mask": mask, "latent_shape": (2, 2, 1)}
    assert token_weights((plain, plain)) is None
    weights = token_weights((plain, masked))
    assert weights is not None and weights.tolist() == [[1.0, 0.5, 0.0, 0.25, 0.0]]


def test_the_first_step_of_a_causal_film_is_one_frame() -> None:
    assert bounds((3, 1, 1), causal=True)[0, 0].tolist() == [[0, 1], [1, 9], [9, 17]]
    assert bounds((3, 1, 1), causal=False)[0, 0].tolist() == [[0, 8], [8, 16], [16, 24]]


def test_cells_of_pixels_and_back() -> None:
    film = torch.arange(3 * 2 * 8 * 12.0).reshape(1, 3, 2, 8, 12)
    assert patched(film, 4).shape == (1, 48, 2, 2, 3) and torch.equal(unpatched(patched(film, 4), 4), film)


def test_a_film_of_no_frames_a_second_is_refused() -> None:
    with pytest.raises(InputInvalid, match="0 frames a second"):
        made("LTXVConditioning", positive=PROMPT, negative=PROMPT, frame_rate=0.0)


def test_levels_end_where_they_are_stretched_to() -> None:
    levels = made("LTXVScheduler", steps=6, terminal=0.2).values
    assert len(levels) == 7 and levels[0] == pytest.approx(1) and levels[-1] == 0
    assert levels[-2] == pytest.approx(0.2, abs=1e-6) and bool((levels.diff() < 0).all())
    assert made("LTXVScheduler", steps=1).values.tolist() == pytest.approx([1.0, 0.0])


def test_pictures_are_as_a_film_shows_them() -> None:
    noise = torch.rand(2, 33, 35, 3, generator=torch.Generator().manual_seed(0))
    worse, bad = (made("LTXVPreprocess", image=Image(noise), img_compression=crf).output_image for crf in (20, 50))
    assert worse.pixels.shape == (2, 32, 34, 3)
    near, far = ((each.pixels - noise[:, :32, :34]).square().mean() for each in (worse, bad))
    assert 0 < near < far
    assert made("LTXVPreprocess", image=Image(noise), img_compression=0).output_image.pixels is noise
    flat = np.full((16, 16, 3), 128, np.uint8)
    assert int(np.abs(media.one_frame.encoded_and_decoded(flat, 100).astype(int) - 128).max()) <= 4


@pytest.mark.parametrize("shape", [(1, 1, 8, 3), (0, 8, 8, 3)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputInvalid, match=re.escape("cannot be encoded")):
        made("LTXVPreprocess", image=Image(torch.zeros(shape)), img_compression=30)
