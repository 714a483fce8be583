"""The sampling driver: noise, masks, progress, cancelling, what is refused, and that inputs stay as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.context import Context
from engine.errors import Cancelled, InputInvalid
from engine.events import Event, EventLog, NodePreview, NodeProgress
from engine.folders import Folders
from engine.model_store import ModelStore
from nodes.diffusion import noise, sampling, schedules
from nodes.diffusion.checkpoints import load_unet
from nodes.diffusion.denoiser import differential_mask
from nodes.diffusion.fitting import fit_noise_mask
from nodes.diffusion.parameterization import discrete
from nodes.diffusion.patches.scaling import scale_projections
from nodes.hooks import GuidancePatches, Hooks, NetworkPatches
from nodes.sample import dual_model_guider
from nodes.sampling_values import Guider, Noise, Sampler
from nodes.values import Cond, Conditioning, Latent, Model

STORE = ModelStore("cpu", precision="float32")


@pytest.fixture(scope="module")
def model(models_dir: Path) -> Model:
    return load_unet(models_dir / "checkpoints" / "tiny_sd15.safetensors")


@pytest.fixture(scope="module")
def inpaint_model(models_dir: Path) -> Model:
    return load_unet(models_dir / "checkpoints" / "tiny_sd15_inpaint.safetensors")


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def ctx(events: list[Event]) -> Context:
    return Context(Folders(), STORE, node_id="5", log=EventLog(events.append))


def prompt(seed: int, **fields: Any) -> Conditioning:
    return Conditioning((Cond(torch.randn(1, 77, 64, generator=torch.Generator().manual_seed(seed)), **fields),))


def guider(model: Model, cfg: float = 4.0) -> Guider:
    return Guider(model, "cfg", {"positive": prompt(1), "negative": prompt(2)}, cfg)


def empty(batch: int = 1, height: int = 8, width: int = 8) -> Latent:
    return Latent(torch.zeros(batch, 4, height, width))


def picture(batch: int = 1) -> Latent:
    return Latent(torch.randn(batch, 4, 8, 8, generator=torch.Generator().manual_seed(3)) * 5)


def sample(
    ctx: Context, guide: Guider, latent: Latent, sampler: str = "euler", steps: int = 3, **changes: Any
) -> sampling.Sampled:
    sigmas = schedules.sigmas(guide.model.parameterization, "normal", steps)
    settings: dict[str, Any] = {"noise_seed": 5, "seed": 5, "sigmas": sigmas} | changes
    levels = settings.pop("sigmas")
    return sampling.sample(ctx, guide, Sampler(sampler), levels, latent, **settings)


def test_the_same_seed_gives_the_same_latent_and_another_seed_another(ctx: Context, model: Model) -> None:
    first, again = (sample(ctx, guider(model), empty()).output.samples for _ in range(2))
    other = sample(ctx, guider(model), empty(), noise_seed=6).output.samples
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert first.dtype == torch.float32
    assert first.isfinite().all()


def test_one_of_a_batch_can_be_made_again_alone(ctx: Context, model: Model) -> None:
    batch = sample(ctx, guider(model), replace(empty(3), batch_index=(0, 1, 2))).output.samples
    alone = sample(ctx, guider(model), replace(empty(), batch_index=(2,))).output.samples
    torch.testing.assert_close(alone, batch[2:], rtol=1e-4, atol=1e-3)


def test_two_parts_of_a_schedule_make_the_whole(ctx: Context, model: Model) -> None:
    sigmas = schedules.sigmas(model.parameterization, "karras", 6)
    whole = sample(ctx, guider(model), empty(), sigmas=sigmas).output
    half = sample(ctx, guider(model), empty(), sigmas=sigmas[:4]).output
    rest = sample(ctx, guider(model), half, sigmas=sigmas[3:], noise_seed=None).output
    torch.testing.assert_close(rest.samples, whole.samples, rtol=1e-3, atol=1e-2)


def test_progress_is_reported_once_a_step(ctx: Context, model: Model, events: list[Event]) -> None:
    sample(ctx, guider(model), empty(), steps=3)
    assert [(e.value, e.total) for e in events if isinstance(e, NodeProgress)] == [(1, 3), (2, 3), (3, 3)]
    assert not any(isinstance(e, NodePreview) for e in events)


def test_previews_are_small_pictures_of_the_prediction(ctx: Context, model: Model, events: list[Event]) -> None:
    ctx.previews = True
    sampled = sample(ctx, guider(model), empty(2, 8, 12), steps=2)
    pictures = [e.picture for e in events if isinstance(e, NodePreview)]
    assert [(p.dtype, tuple(p.shape)) for p in pictures] == [(torch.uint8, (8, 12, 3))] * 2
    last = model.space.preview(model.space.to_model(sampled.denoised_output.samples)[0])
    assert (pictures[-1].int() - last.int()).abs().max() <= 1


def test_cancelling_stops_at_the_next_step(ctx: Context, model: Model, events: list[Event]) -> None:
    seen: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, NodeProgress):
            seen.append(event.value)
            ctx.cancel.cancel()

    ctx.log = EventLog(watch)
    with pytest.raises(Cancelled):
        sample(ctx, guider(model), empty(), steps=10)
    assert seen == [1]


def test_inputs_stay_as_they_are(ctx: Context, model: Model) -> None:
    latent = replace(picture(2), noise_mask=torch.rand(1, 1, 64, 64))
    sigmas = schedules.sigmas(model.parameterization, "normal", 2)
    assert latent.noise_mask is not None
    before = [t.clone() for t in (latent.samples, latent.noise_mask, sigmas)]
    sample(ctx, guider(model), latent, sigmas=sigmas, sampler="euler_ancestral")
    assert all(torch.equal(a, b) for a, b in zip(before, (latent.samples, latent.noise_mask, sigmas), strict=True))


def test_no_levels_change_nothing(ctx: Context, model: Model) -> None:
    latent = picture()
    sampled = sample(ctx, guider(model), latent, sigmas=torch.empty(0))
    assert sampled.output is latent
    assert sampled.denoised_output is latent


def test_one_level_adds_noise_and_takes_no_step(ctx: Context, model: Model) -> None:
    latent = picture()
    sampled = sample(ctx, guider(model), latent, sigmas=torch.tensor([2.0]))
    scale = model.space.scale
    expected = latent.samples + 2.0 * noise.initial(latent.samples.shape, 5) / scale
    torch.testing.assert_close(sampled.output.samples, expected, rtol=1e-4, atol=1e-4)
    assert sampled.denoised_output is sampled.output


def test_the_prediction_at_the_last_step_is_the_second_output(ctx: Context, model: Model) -> None:
    sigmas = schedules.sigmas(model.parameterization, "normal", 4)
    whole = sample(ctx, guider(model), empty(), sigmas=sigmas)
    torch.testing.assert_close(whole.output.samples, whole.denoised_output.samples, rtol=1e-4, atol=1e-3)
    part = sample(ctx, guider(model), empty(), sigmas=sigmas[:3])
    assert not torch.allclose(part.output.samples, part.denoised_output.samples)


# --- masks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "ddim"])
def test_outside_the_mask_the_picture_stays(ctx: Context, model: Model, sampler: str) -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32:] = 1.0
    latent = replace(picture(2), noise_mask=mask)
    output = sample(ctx, guider(model), latent, sampler=sampler).output
    torch.testing.assert_close(output.samples[..., :3], latent.samples[..., :3], rtol=1e-4, atol=1e-3)
    assert not torch.allclose(output.samples[..., 5:], latent.samples[..., 5:], atol=0.1)
    assert output.noise_mask is mask


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 3, 100), (2, 1, 5, 7), (3, 64, 64), (1, 1, 1)])
def test_masks_of_any_size_and_batch_fit(shape: tuple[int, ...]) -> None:
    fitted = fit_noise_mask(torch.full(shape, 0.25), torch.Size((2, 4, 8, 16)))
    assert fitted.shape == (2, 4, 8, 16)
    torch.testing.assert_close(fitted, torch.full_like(fitted, 0.25))


def test_a_mask_of_ones_is_no_mask(ctx: Context, model: Model) -> None:
    masked = sample(ctx, guider(model), replace(picture(), noise_mask=torch.ones(1, 1, 8, 8))).output.samples
    torch.testing.assert_close(masked, sample(ctx, guider(model), picture()).output.samples, rtol=1e-4, atol=1e-3)


def test_differential_masks_let_pixels_go_one_after_the_other() -> None:
    parameterization = discrete("eps")
    sigmas = schedules.sigmas(parameterization, "normal", 10)
    mask = torch.linspace(0, 1, 11).view(1, 1, 1, 11)
    released = [differential_mask(1.0)(s[None], mask, sigmas, parameterization).flatten() for s in sigmas[:-1]]
    counts = [int(step.sum()) for step in released]
    assert counts[0] == 1
    assert counts == sorted(counts)
    assert counts[-1] == 11
    assert all(((step == 0) | (step == 1)).all() for step in released)
    mixed = differential_mask(0.25)(sigmas[:1], mask, sigmas, parameterization)
    torch.testing.assert_close(mixed.flatten(), mask.flatten() * 0.75 + released[0] * 0.25)


def test_a_mask_function_is_asked_at_every_step(ctx: Context, model: Model) -> None:
    asked: list[float] = []

    def nothing(sigma: Tensor, mask: Tensor, sigmas: Tensor, _parameterization: Any) -> Tensor:
        asked.append(float(sigma[0]))
        return torch.zeros_like(mask)

    guide = guider(model.with_guidance(GuidancePatches(denoise_mask=nothing)))
    latent = replace(picture(), noise_mask=torch.ones(1, 1, 8, 8))
    output = sample(ctx, guide, latent).output
    assert len(asked) == 3
    torch.testing.assert_close(output.samples, latent.samples, rtol=1e-4, atol=1e-3)


def test_inpainting_models_see_the_mask_and_the_picture_of_the_prompt(ctx: Context, inpaint_model: Model) -> None:
    seen = {"concat_latent": picture().samples, "concat_mask": torch.ones(1, 1, 64, 64)}
    guide = guider(inpaint_model)
    plain = sample(ctx, guide, empty()).output.samples
    informed = replace(guide, conditionings={k: c.set(**seen) for k, c in guide.conditionings.items()})
    assert not torch.allclose(sample(ctx, informed, empty()).output.samples, plain)


# --- hooks and refusals ------------------------------------------------------------------------------------------


def test_hooks_with_a_memory_are_made_anew_for_each_call(ctx: Context, model: Model) -> None:
    made: list[list[int]] = []
    states: list[Tensor] = []

    def make(source: torch.Generator) -> Hooks:
        states.append(source.get_state())
        memory: list[int] = []
        made.append(memory)
        unet = NetworkPatches(after_middle=(lambda hidden, _site: (memory.append(1), hidden)[1],))
        return Hooks(unet, GuidancePatches(after=(lambda guided: (memory.append(2), guided.denoised)[1],)))

    guide = guider(model.with_hooks_per_sampling(make))
    for _ in range(2):
        sample(ctx, guide, empty(), steps=2)
    assert made == [[1, 2, 1, 2]] * 2
    after_noise = torch.Generator().manual_seed(5)
    torch.randn(empty().samples.shape, generator=after_noise)
    assert all(torch.equal(state, after_noise.get_state()) for state in states)


def test_an_empty_latent_of_other_channels_is_made_to_fit_and_a_full_one_refused(ctx: Context, model: Model) -> None:
    fitted = sample(ctx, guider(model), Latent(torch.zeros(1, 16, 8, 8))).output.samples
    assert torch.equal(fitted, sample(ctx, guider(model), empty()).output.samples)
    with pytest.raises(InputInvalid, match="has 16 channels, but the model works on 4") as raised:
        sample(ctx, guider(model), Latent(torch.ones(1, 16, 8, 8)))
    assert raised.value.input == "latent_image"


def test_an_empty_batch_is_refused(ctx: Context, model: Model) -> None:
    with pytest.raises(InputInvalid, match="empty"):
        sample(ctx, guider(model), empty(0))


def test_a_prompt_of_another_family_is_refused(ctx: Context, model: Model) -> None:
    wide = Conditioning((Cond(torch.zeros(1, 77, 160)),))
    with pytest.raises(InputInvalid, match="encoded 160 wide, but the model reads prompts 64 wide") as raised:
        sample(ctx, Guider(model, "cfg", {"positive": prompt(1), "negative": wide}), empty())
    assert raised.value.input == "negative"


def test_add_noise_adds_the_difference_of_the_ends(model: Model) -> None:
    latent, sigmas = picture(), torch.tensor([5.0, 3.0, 2.0])
    scale = model.space.scale
    for levels, level in ((sigmas, 3.0), (sigmas[:1], 5.0)):
        noisy = sampling.add_noise(model, Noise(4), levels, latent)
        expected = latent.samples + level * noise.initial(latent.samples.shape, 4) / scale
        torch.testing.assert_close(noisy.samples, expected, rtol=1e-4, atol=1e-3)
    assert sampling.add_noise(model, Noise(4), sigmas[:0], latent) is latent
    without = sampling.add_noise(model, Noise(None), sigmas, latent).samples
    torch.testing.assert_close(without, latent.samples, rtol=1e-5, atol=1e-5)


def sampled(ctx: Context, guided: Guider) -> Tensor:
    levels = schedules.simple(guided.model.parameterization, 3)
    sampler = Sampler("euler")
    return sampling.sample(ctx, guided, sampler, levels, empty(), noise_seed=1, seed=1).output.samples


def test_another_model_may_predict_for_the_negative_prompt(ctx: Context, model: Model) -> None:
    plain, prompts = guider(model), {"positive": prompt(1), "negative": prompt(2)}
    other = model.with_weight_patch(scale_projections(ctx.models.shapes(model.weights), "attn1", {"to_out.0": 3.0}))

    def dual(negative: Model | None, cfg: float = 4.0) -> Tensor:
        return sampled(ctx, dual_model_guider(ctx, model=model, model_negative=negative, cfg=cfg, **prompts))

    assert torch.equal(dual(None), sampled(ctx, plain))
    assert torch.allclose(dual(model), sampled(ctx, plain), atol=1e-2)
    assert not torch.allclose(dual(other), sampled(ctx, plain), atol=1.0)
    # With cfg 0, only the negative prediction counts, and so only the other model.
    assert torch.allclose(dual(other, 0.0), sampled(ctx, replace(guider(other), cfg=0.0)), atol=1e-2)
    assert torch.equal(dual(other, 1.0), sampled(ctx, replace(plain, cfg=1.0)))


def test_a_second_model_of_other_latents_is_refused(ctx: Context, model: Model) -> None:
    other = replace(model, space=replace(model.space, channels=16))
    both = dual_model_guider(ctx, model=model, model_negative=other, positive=prompt(1), negative=prompt(2))
    with pytest.raises(InputInvalid, match="other latents"):
        sampled(ctx, both)
    with pytest.raises(InputInvalid, match="without a prompt"):
        dual_model_guider(ctx, model=model, positive=prompt(1))
