"""Parameterizations: output to clean latent and back, timesteps and sigmas, shares of progress."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.noise_levels import (
    FlowLevels,
    LogUniform,
    scaled_linear_betas,
    sigmas_of_betas,
    with_zero_terminal_snr,
)
from nodes.diffusion.parameterization import (
    Parameterization,
    continuous_edm,
    continuous_v,
    cosmos_rflow,
    discrete,
    flow,
    flux_flow,
)

ALL: dict[str, Parameterization] = {
    "eps": discrete(),
    "v": discrete("v"),
    "v zsnr": discrete("v", zsnr=True),
    "x0": discrete("x0"),
    "img_to_img": discrete("img_to_img"),
    "img_to_img_flow": discrete("img_to_img_flow"),
    "lcm": discrete("lcm"),
    "edm": continuous_edm("edm", sigma_data=0.5),
    "continuous v": continuous_v(),
    "cosmos": cosmos_rflow(),
    "flow": flow(3.0),
    "aura": flow(1.73, 1.0),
    "flux": flux_flow(0.9),
}


def test_stable_diffusion_levels() -> None:
    model = discrete()
    assert len(model.sigmas) == 1000
    assert model.sigmas.dtype == torch.float32
    assert model.sigma_min == pytest.approx(0.0291672, abs=1e-7)
    assert model.sigma_max == pytest.approx(14.614642)


@pytest.mark.parametrize("name", sorted(ALL))
def test_tables_rise(name: str) -> None:
    levels = ALL[name].sigmas
    assert (levels[1:] > levels[:-1]).all()
    assert ALL[name].sigma_min == float(levels[0]) > 0
    assert ALL[name].sigma_max == float(levels[-1])


def test_timesteps_of_a_table_are_the_nearest_in_log_sigma() -> None:
    model = discrete()
    places = torch.tensor([0, 1, 500, 998, 999])
    assert torch.equal(model.timestep(model.sigmas[places]), places)
    between = (model.sigmas[500].log() * 0.6 + model.sigmas[501].log() * 0.4).exp()
    assert model.timestep(between).item() == 500
    assert model.timestep(between).shape == ()
    assert model.timestep(torch.tensor([[1e9], [1e-9]])).tolist() == [[999], [0]]
    assert model.timestep(torch.zeros(1)).tolist() == [0]


def test_fractional_timesteps_interpolate_in_log_sigma() -> None:
    model = discrete()
    halfway = model.sigma(torch.tensor(500.5))
    assert float(halfway) == pytest.approx(math.sqrt(float(model.sigmas[500] * model.sigmas[501])), rel=1e-6)
    assert model.sigma(torch.tensor([-3.0, 2000.0])).tolist() == pytest.approx([model.sigma_min, model.sigma_max])


def test_lcm_knows_every_twentieth_timestep() -> None:
    model, whole = discrete("lcm"), discrete()
    assert len(model.sigmas) == 50
    assert torch.equal(model.sigmas, whole.sigmas[19::20])
    assert model.timestep(whole.sigmas[[0, 25, 999]]).tolist() == [19, 19, 999]
    assert float(model.sigma(torch.tensor(39.0))) == pytest.approx(float(whole.sigmas[39]))


def test_zero_terminal_snr() -> None:
    sigmas = sigmas_of_betas(scaled_linear_betas())
    before = sigmas.clone()
    rescaled = with_zero_terminal_snr(sigmas)
    assert torch.equal(sigmas, before)
    assert rescaled[0].item() == pytest.approx(sigmas[0].item(), rel=1e-9)
    assert rescaled[-1].item() == pytest.approx(4518.76, rel=1e-4)
    assert (rescaled[1:] > rescaled[:-1]).all()


@pytest.mark.parametrize(
    "name",
    sorted(set(ALL) - {"flow", "flux", "aura", "eps", "x0", "v", "v zsnr", "lcm", "img_to_img", "img_to_img_flow"}),
)
def test_continuous_timesteps_invert(name: str) -> None:
    model = ALL[name]
    sigma = torch.tensor([model.sigma_min, 0.5, 1.0, 30.0])
    torch.testing.assert_close(model.sigma(model.timestep(sigma)), sigma, rtol=1e-4, atol=1e-5)


def test_flow_levels() -> None:
    model = flow(3.0)
    assert model.sigma(torch.tensor(500.0)).item() == pytest.approx(0.75)
    assert model.timestep(torch.tensor(0.75)).item() == pytest.approx(750.0)
    assert model.sigma_max == 1.0
    assert flow(1.0).percent_to_sigma(0.25) == pytest.approx(0.75)
    assert flux_flow(0.0).percent_to_sigma(0.25) == pytest.approx(0.75)
    assert len(flux_flow().sigmas) == 10_000
    assert FlowLevels(1.0).sigma(torch.tensor(300.0)).item() == pytest.approx(0.3)


@pytest.mark.parametrize("name", sorted(ALL))
def test_progress_falls_from_above_all_levels_to_zero(name: str) -> None:
    model = ALL[name]
    levels = [model.percent_to_sigma(share) for share in (0.0, 0.2, 0.5, 0.8, 1.0)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] >= model.sigma_max
    assert levels[-1] == 0.0
    assert all(isinstance(level, float) for level in levels)
    assert model.percent_to_sigma(-1.0) == levels[0]
    assert model.percent_to_sigma(2.0) == 0.0


def _ideal_output(model: Parameterization, sigma: Tensor, clean: Tensor, noise: Tensor) -> Tensor:
    """What a perfect network outputs for clean latent and noise, from the definitions of the predictions."""
    alpha, level = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
    share = sigma / (1 + sigma)
    data = model.sigma_data
    x = clean + sigma * noise
    skip, out = data**2 / (sigma**2 + data**2), sigma * data / (sigma**2 + data**2).sqrt()
    return {
        "eps": noise,
        "v": alpha * noise - level * clean,
        "x0": clean,
        "img_to_img": clean,
        "img_to_img_flow": clean,
        "edm": (clean - skip * x) / out,
        "const": noise - clean,
        "cosmos_rflow": (x * (1 - share) - clean) / share,
    }[model.prediction]


@pytest.mark.parametrize("name", sorted(set(ALL) - {"lcm"}))
def test_a_perfect_output_gives_the_clean_latent(name: str) -> None:
    model = ALL[name]
    clean, noise = torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    levels = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    sigma = levels.reshape(-1, 1, 1, 1)
    x = model.add_noise(levels, noise, clean)
    output = _ideal_output(model, sigma, clean, noise)
    torch.testing.assert_close(model.denoised(levels, output, x), clean)
    one = model.denoised(levels[1], output[1:2], x[1:2])
    torch.testing.assert_close(one, clean[1:2])


def test_inputs_are_scaled_to_unit_variance() -> None:
    noise = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    for sigma in (0.1, 1.0, 14.0):
        level = torch.tensor(sigma)
        x = ALL["eps"].add_noise(level, noise, torch.randn(noise.shape, generator=torch.Generator().manual_seed(1)))
        assert float(ALL["eps"].scale_input(level, x).std()) == pytest.approx(1.0, abs=0.02)
    assert torch.equal(ALL["flow"].scale_input(torch.tensor(0.3), noise), noise)
    assert torch.equal(ALL["img_to_img"].scale_input(torch.tensor(0.3), noise), noise)
    torch.testing.assert_close(ALL["cosmos"].scale_input(torch.tensor(1.0), noise), noise / 2)


def test_consistency_boundary() -> None:
    model = discrete("lcm")
    x, output = torch.randn(2, 1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    highest = model.sigmas[-1]
    torch.testing.assert_close(model.denoised(highest, output, x), x - output * highest, rtol=1e-3, atol=1e-2)
    skip = 0.25 / (190.0**2 + 0.25)
    lowest = model.sigmas[0]
    expected = skip * x + 190.0 / math.sqrt(190.0**2 + 0.25) * (x - output * lowest)
    torch.testing.assert_close(model.denoised(lowest, output, x), expected)


def test_noise_at_the_highest_level_is_pure() -> None:
    model = discrete()
    noise = torch.ones(1, 4, 2, 2)
    latent = torch.full_like(noise, 0.5)
    sigma = torch.tensor(model.sigma_max)
    assert float(model.add_noise(sigma, noise, latent).mean()) == pytest.approx(model.sigma_max + 0.5)
    pure = model.add_noise(sigma, noise, latent, max_denoise=True)
    assert float(pure.mean()) == pytest.approx(math.sqrt(1 + model.sigma_max**2) + 0.5)
    assert float(latent.mean()) == 0.5
    assert flow().add_noise(torch.tensor(1.0), noise, latent, max_denoise=True).tolist() == noise.tolist()
    assert model.is_max_denoise(model.sigma_max * (1 - 5e-6))
    assert model.is_max_denoise(20.0)
    assert not model.is_max_denoise(14.6)


@given(st.floats(0.0, 0.99), st.floats(-3, 3))
def test_a_flow_that_stops_early_is_brought_to_full_scale(sigma: float, value: float) -> None:
    clean = torch.full((1, 1, 1, 1), value, dtype=torch.float64)
    level = torch.tensor(sigma, dtype=torch.float64)
    partly = flow().add_noise(level, torch.zeros_like(clean), clean)
    torch.testing.assert_close(flow().inverse_noise_scaling(level, partly), clean)
    assert discrete().inverse_noise_scaling(level, clean) is clean


@given(st.floats(0.1, 8.0))
def test_a_flows_noise_has_its_scale(scale: float) -> None:
    noise, latent = torch.randn(2, 1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    scaled, plain = flow(3.0, noise_scale=scale), flow(3.0)
    level = torch.tensor(0.7)
    torch.testing.assert_close(scaled.add_noise(level, noise, latent), plain.add_noise(level, scale * noise, latent))


def test_an_inverting_flow_starts_from_the_latent_and_ends_at_what_is_left_of_one() -> None:
    model = discrete("img_to_img_flow")
    noise, latent = torch.randn(2, 1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    level = torch.tensor(14.0)
    assert torch.equal(model.add_noise(level, noise, latent, max_denoise=True), latent)
    assert torch.equal(model.scale_input(level, latent), latent)
    assert torch.equal(model.inverse_noise_scaling(level, latent), 1.0 - latent)
    assert model.is_flow


def test_what_cannot_work_is_named() -> None:
    with pytest.raises(InputInvalid, match="unknown prediction type 'epsilon'"):
        Parameterization("epsilon", LogUniform())  # type: ignore[arg-type]
    for low, high in ((0.0, 1.0), (2.0, 1.0), (1.0, 1.0)):
        with pytest.raises(InputInvalid, match="no range of noise levels"):
            continuous_edm("eps", low, high)
