"""Each way of combining predictions against what its paper says it does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from nodes.diffusion.parameterization import Parameterization, discrete, flow
from nodes.diffusion.patches import cfg
from nodes.diffusion.patches.attention_guidance import gaussian_blur
from nodes.hooks import GuidancePatches, Guided
from nodes.values import Conditioning


def no_more_passes(*_args: Any, **_options: Any) -> Tensor:
    raise AssertionError("this guidance needs no further pass")


@pytest.fixture
def guided() -> Guided:
    torch.manual_seed(3)
    x, cond, uncond = (torch.randn(2, 4, 8, 8) for _ in range(3))
    return Guided(
        x=x,
        sigma=torch.tensor([1.5, 1.5]),
        cfg=4.0,
        cond=cond,
        uncond=uncond,
        denoised=uncond + 4.0 * (cond - uncond),
        positive=None,
        negative=None,
        predict=no_more_passes,
        parameterization=discrete(),
    )


def velocity(guided: Guided, clean: Tensor) -> Tensor:
    """v = (x / (sigma^2 + 1) - clean) sqrt(sigma^2 + 1) / sigma, the quantity that RescaleCFG speaks of."""
    sigma = guided.sigma.reshape(-1, 1, 1, 1)
    return (guided.x / (sigma**2 + 1) - clean) * (sigma**2 + 1).sqrt() / sigma


def test_rescaling_by_nothing_is_plain_guidance(guided: Guided) -> None:
    combine = cfg.rescale_cfg(0.0).combine
    assert combine
    torch.testing.assert_close(combine(guided), guided.denoised, rtol=1e-4, atol=1e-4)


def test_full_rescaling_has_the_positive_predictions_spread(guided: Guided) -> None:
    combine = cfg.rescale_cfg(1.0).combine
    assert combine
    dims = (1, 2, 3)
    torch.testing.assert_close(
        velocity(guided, combine(guided)).std(dims), velocity(guided, guided.cond).std(dims), rtol=1e-4, atol=1e-4
    )


def test_rescaling_a_flow_keeps_the_spread_of_its_clean_latent(guided: Guided) -> None:
    halfway, full = (cfg.rescale_cfg(share, is_flow=True).combine for share in (0.5, 1.0))
    assert halfway
    assert full
    dims = (1, 2, 3)
    torch.testing.assert_close(full(guided).std(dims), guided.cond.std(dims))
    torch.testing.assert_close(halfway(guided), (full(guided) + guided.denoised) / 2)


def test_zero_star_scales_the_negative_noise_to_the_best_fit(guided: Guided) -> None:
    assert guided.uncond is not None
    positive, negative = guided.x - guided.cond, guided.x - guided.uncond
    fit = torch.stack([(positive[i] * negative[i]).sum() / (negative[i] ** 2).sum() for i in range(2)])
    fit = fit.reshape(2, 1, 1, 1)
    scaled = fit * guided.uncond
    torch.testing.assert_close(
        cfg.cfg_zero_star(guided), scaled + guided.cfg * (guided.cond - scaled), rtol=1e-4, atol=1e-4
    )


def test_norm_never_exceeds_the_positive_predictions(guided: Guided) -> None:
    (limit,) = cfg.cfg_norm(1.0).after
    assert (limit(guided).norm(dim=1) <= guided.cond.norm(dim=1) * (1 + 1e-5)).all()


def test_mahiro_stays_between_guidance_and_the_leap(guided: Guided) -> None:
    leap = guided.cond * guided.cfg
    result = cfg.mahiro(guided)
    low, high = torch.minimum(leap, guided.denoised), torch.maximum(leap, guided.denoised)
    assert ((low - 1e-4 <= result) & (result <= high + 1e-4)).all()


def test_tangential_damping_leaves_parallel_noise_alone(guided: Guided) -> None:
    parallel = replace(guided, uncond=guided.x - 0.5 * (guided.x - guided.cond))
    torch.testing.assert_close(cfg.tangential_damping(parallel).uncond, parallel.uncond, rtol=1e-3, atol=1e-3)


def test_tangential_damping_is_a_projection(guided: Guided) -> None:
    once = cfg.tangential_damping(guided)
    assert once.uncond is not None
    assert guided.uncond is not None
    assert ((guided.x - once.uncond).norm() <= (guided.x - guided.uncond).norm()).item()


def test_epsilon_scaling_divides_the_noise(guided: Guided) -> None:
    (scale,) = cfg.epsilon_scaling(2.0).after
    torch.testing.assert_close(guided.x - scale(guided), (guided.x - guided.denoised) / 2)


def test_frequency_scaling_by_one_changes_nothing(guided: Guided) -> None:
    (scale,) = cfg.frequency_scaling(1.0, 1.0, 2).before
    torch.testing.assert_close(scale(guided).cond, guided.cond, rtol=1e-4, atol=1e-5)


def test_projected_guidance_bounds_its_length(guided: Guided) -> None:
    assert guided.uncond is not None
    changed = cfg.AdaptiveProjection(1.0, 0.5, 0.0).project(guided).cond
    guidance = changed - guided.uncond - (guided.cond - guided.uncond) / guided.cfg
    assert (guidance.flatten(1).norm(dim=1) <= 0.5 + 1e-4).all()


def test_projected_guidance_without_its_parallel_part_is_orthogonal(guided: Guided) -> None:
    assert guided.uncond is not None
    changed = cfg.AdaptiveProjection(0.0, 0.0, 0.0).project(guided).cond
    guidance = changed - guided.uncond - (guided.cond - guided.uncond) / guided.cfg
    assert (guidance * guided.cond).flatten(1).sum(1).abs().max() < 1e-2


def test_momentum_starts_anew_when_sampling_does(guided: Guided) -> None:
    projection = cfg.AdaptiveProjection(1.0, 0.0, 0.5)
    first = projection.project(guided).cond
    later = projection.project(replace(guided, sigma=guided.sigma / 2)).cond
    assert not torch.allclose(first, later)
    torch.testing.assert_close(projection.project(guided).cond, first)


def test_without_a_negative_prediction_it_is_taken_as_zeros(guided: Guided) -> None:
    alone = replace(guided, uncond=None, cfg=1.0, denoised=3 * guided.cond)
    zeros = replace(alone, uncond=torch.zeros_like(guided.cond))
    assert cfg.cfg_zero_star(alone) is alone.denoised
    torch.testing.assert_close(cfg.mahiro(alone), 2 * guided.cond)  # no likeness: half guidance, half leap
    projected = [cfg.AdaptiveProjection(0.5, 5.0, 0.3).project(one).cond for one in (alone, zeros)]
    assert torch.equal(*projected)
    combine = cfg.perpendicular_negative(Conditioning(()), 0.7).combine
    assert combine
    at_empty = torch.randn_like(guided.cond)
    both = [combine(replace(one, predict=lambda *_: at_empty)) for one in (alone, zeros)]
    assert torch.equal(*both)


def test_blur_keeps_flat_pictures_and_spreads_points() -> None:
    torch.testing.assert_close(gaussian_blur(torch.ones(1, 4, 12, 12), 9, 2.0), torch.ones(1, 4, 12, 12))
    point = torch.zeros(1, 4, 17, 17)
    point[:, :, 8, 8] = 1.0
    blurred = gaussian_blur(point, 9, 2.0)
    torch.testing.assert_close(blurred.sum((2, 3)), torch.ones(1, 4))
    torch.testing.assert_close(blurred, blurred.flip(-1))
    assert gaussian_blur(point, 9, 0.0) is point


def test_a_matched_norm_makes_each_pixels_velocity_as_long_as_the_positive_one(guided: Guided) -> None:
    combine = cfg.norm_matched(1.0).combine
    assert combine
    lengths = (guided.x - combine(guided)).norm(dim=1)
    torch.testing.assert_close(lengths, (guided.x - guided.cond).norm(dim=1))
    plain = cfg.norm_matched(0.0).combine
    assert plain
    torch.testing.assert_close(plain(guided), guided.denoised)


def test_renormed_guidance_is_no_longer_than_the_positive_prediction(guided: Guided) -> None:
    combine, loose = cfg.renorm_cfg(100.0, 1.0).combine, cfg.renorm_cfg(100.0, 0.0).combine
    assert combine and loose
    torch.testing.assert_close(combine(guided).flatten(1).norm(dim=1), guided.cond.flatten(1).norm(dim=1))
    torch.testing.assert_close(loose(guided), guided.denoised)


def test_renormed_guidance_leaves_guidance_out_at_high_noise(guided: Guided) -> None:
    combine = cfg.renorm_cfg(1.5, 1.0).combine
    assert combine
    assert torch.equal(combine(guided), guided.cond)


@pytest.mark.parametrize("patches", [cfg.norm_matched(1.0), cfg.renorm_cfg(100.0, 1.0)])
def test_without_a_negative_prediction_the_positive_one_stays(guided: Guided, patches: GuidancePatches) -> None:
    assert patches.combine
    alone = replace(guided, uncond=None, cfg=1.0, denoised=guided.cond)
    torch.testing.assert_close(patches.combine(alone), guided.cond)


def drawn(seed: int) -> Tensor:
    places = torch.arange(16, dtype=torch.float64)
    return ((torch.sin(places * 0.37 + seed) * 43.7) % 1.0).float().reshape(1, 4, 2, 2)


@pytest.mark.parametrize(
    ("model", "k", "spread", "sigma", "mean", "weighted"),
    [
        (discrete(), 0.95, 1.0, 14.0, 0.413488, 0.066533),
        (discrete(), 0.95, 1.0, 0.7, 0.496623, 0.115878),
        (discrete(), 3.0, 0.5, 0.7, -0.301097, -0.357611),
        (flow(), 0.95, 1.0, 1.0, 0.412832, 0.066144),
        (flow(), 0.95, 1.0, 0.6, 0.520545, 0.125801),
        (flow(), 3.0, 0.5, 0.6, -0.069956, -0.201249),
    ],
)
def test_scores_are_rescaled_as_comfyui_rescales_them(
    guided: Guided, model: Parameterization, k: float, spread: float, sigma: float, mean: float, weighted: float
) -> None:
    (rescale,) = cfg.temporal_score_rescaling(k, spread).after
    step = replace(guided, x=drawn(2) * 5, denoised=drawn(1), sigma=torch.tensor([sigma]), parameterization=model)
    made = rescale(step).double().flatten()
    assert made.mean().item() == pytest.approx(mean, abs=1e-5)
    weights = torch.cos(torch.arange(16, dtype=torch.float64))
    assert (made * weights).sum().item() / 4 == pytest.approx(weighted, abs=1e-5)
