"""Schedules against ComfyUI's recorded numbers, and what holds for every schedule."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from engine.errors import InputInvalid
from nodes.choices import SCHEDULER_NAMES
from nodes.diffusion import schedules
from nodes.diffusion.parameterization import Parameterization, continuous_edm, discrete, flow

CASES = Path(__file__).parents[2] / "reference" / "cases"
RECORDED = {
    name: graph for name, graph in json.loads((CASES / "prompts.json").read_text()).items() if "sigmas_" in name
}
MODELS: dict[str, Parameterization] = {
    "eps": discrete(),
    "lcm": discrete("lcm"),
    "zsnr": discrete("v", zsnr=True),
    "edm": continuous_edm("edm", 0.01, 80.0),
    "flow": flow(3.0),
}


@pytest.fixture(scope="module")
def outputs() -> dict[str, Tensor]:
    return load_file(CASES / "outputs.safetensors")


def test_all_schedulers_of_the_list_are_here_and_recorded() -> None:
    assert tuple(schedules.SCHEDULERS) == SCHEDULER_NAMES
    assert len(RECORDED) == 2 * len(SCHEDULER_NAMES)


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_sigmas(name: str, outputs: dict[str, Tensor]) -> None:
    inputs = next(n["inputs"] for n in RECORDED[name].values() if n["class_type"] == "BasicScheduler")
    made = schedules.sigmas(discrete(), inputs["scheduler"], inputs["steps"], inputs["denoise"])
    torch.testing.assert_close(made, outputs[f"{name}/sigmas"], rtol=1e-6, atol=1e-6)


@settings(max_examples=150, deadline=None)
@given(
    scheduler=st.sampled_from(SCHEDULER_NAMES),
    model=st.sampled_from(sorted(MODELS)),
    steps=st.integers(1, 60),
    denoise=st.floats(0.01, 1.0),
)
def test_levels_fall_from_within_the_model_to_zero(scheduler: str, model: str, steps: int, denoise: float) -> None:
    made = schedules.sigmas(MODELS[model], scheduler, steps, denoise)
    assert made.dtype == torch.float32
    assert made.device.type == "cpu"
    assert 2 <= len(made) <= steps + 1
    assert made[-1] == 0
    assert torch.isfinite(made).all()
    assert (made[:-1] >= made[1:]).all()
    assert made[0] <= MODELS[model].sigma_max * 1.0001


@pytest.mark.parametrize("scheduler", SCHEDULER_NAMES)
def test_starts_at_the_highest_level(scheduler: str) -> None:
    made = schedules.sigmas(discrete(), scheduler, 20)
    highest = discrete().sigmas[951] if scheduler == "ddim_uniform" else discrete().sigmas[-1]
    assert float(made[0]) == pytest.approx(float(highest), rel=1e-5)


def test_denoise_keeps_the_end_of_a_longer_schedule() -> None:
    whole = schedules.sigmas(discrete(), "karras", 20)
    assert torch.equal(schedules.sigmas(discrete(), "karras", 10, 0.5), whole[-11:])
    assert len(schedules.sigmas(discrete(), "karras", 10, 0.0)) == 0


@pytest.mark.parametrize("sampler", sorted(schedules.DISCARDS_PENULTIMATE))
@pytest.mark.parametrize("denoise", [1.0, 0.4])
def test_penultimate_level_is_dropped_for_some_samplers(sampler: str, denoise: float) -> None:
    made = schedules.sampler_sigmas(discrete(), sampler, "normal", 8, denoise)
    whole = schedules.sigmas(discrete(), "normal", int(8 / denoise) + 1)
    assert torch.equal(made, torch.cat([whole[:-2], whole[-1:]])[-9:])
    assert torch.equal(
        schedules.sampler_sigmas(discrete(), "euler", "normal", 8, denoise),
        schedules.sigmas(discrete(), "normal", 8, denoise),
    )


@pytest.mark.parametrize(("sampler", "steps", "count"), [("euler", 6, 8), ("euler", 8, 9), ("uni_pc", 5, 7)])
def test_a_full_schedule_keeps_the_levels_that_it_has_beyond_its_steps(sampler: str, steps: int, count: int) -> None:
    """ddim_uniform takes every 1000 // steps-th of 1000 entries: the strides of 6 steps leave room for a seventh."""
    made = schedules.sampler_sigmas(discrete(), sampler, "ddim_uniform", steps)
    assert len(made) == count
    assert made[0] == discrete().sigmas[1 :: 1000 // (steps + (sampler == "uni_pc"))][-1]
    assert len(schedules.sigmas(discrete(), "ddim_uniform", steps)) <= steps + 1
    assert len(schedules.sampler_sigmas(discrete(), sampler, "ddim_uniform", steps, 0.7)) == steps + 1


def test_window_takes_some_steps() -> None:
    levels = torch.tensor([4.0, 3.0, 2.0, 1.0, 0.0])
    before = levels.clone()
    assert schedules.window(levels).tolist() == levels.tolist()
    assert schedules.window(levels, 1, 3).tolist() == [3.0, 2.0, 1.0]
    assert schedules.window(levels, 1, 3, end_clean=True).tolist() == [3.0, 2.0, 0.0]
    assert schedules.window(levels, 2, 10_000, end_clean=True).tolist() == [2.0, 1.0, 0.0]
    assert schedules.window(levels, 4).tolist() == []
    assert schedules.window(levels, 3, 2).tolist() == []
    assert schedules.window(levels, 0, 0).tolist() == []
    assert torch.equal(levels, before)


@given(st.integers(2, 40), st.floats(0.001, 1.0), st.floats(1.5, 200.0), st.floats(1.0, 9.0))
@settings(max_examples=60, deadline=None)
def test_schedules_between_two_levels(steps: int, low: float, high: float, rho: float) -> None:
    made = [
        schedules.karras(steps, low, high, rho),
        schedules.exponential(steps, low, high),
        schedules.polyexponential(steps, low, high, rho),
        schedules.kl_optimal(steps, low, high),
    ]
    for levels in made:
        assert len(levels) == steps + 1
        assert float(levels[0]) == pytest.approx(high, rel=1e-3)
        assert float(levels[-2]) == pytest.approx(low, rel=1e-2, abs=1e-4)
        assert levels[-1] == 0
    assert torch.allclose(
        schedules.polyexponential(steps, low, high, 1.0), schedules.exponential(steps, low, high), 1e-4
    )


def test_laplace_is_symmetric_in_log_sigma_about_mu() -> None:
    levels = schedules.laplace(9, 1e-4, 1e4, mu=0.5, beta=0.7)
    assert len(levels) == 9
    torch.testing.assert_close(levels.log() + levels.log().flip(0), torch.full((9,), 1.0), atol=1e-4, rtol=0)


def test_variance_preserving_ends_where_its_time_does() -> None:
    levels = schedules.variance_preserving(10)
    assert float(levels[0]) == pytest.approx(math.sqrt(math.expm1(19.9 / 2 + 0.1)), rel=1e-5)
    assert float(levels[-2]) == pytest.approx(math.sqrt(math.expm1(19.9e-6 / 2 + 1e-4)), rel=1e-4)


def test_turbo_takes_known_timesteps() -> None:
    model = discrete()
    assert schedules.turbo(model, 1).tolist() == pytest.approx([model.sigma_max, 0.0])
    assert schedules.turbo(model, 2, 0.5).tolist() == pytest.approx(
        [float(model.sigmas[499]), float(model.sigmas[399]), 0]
    )
    assert len(schedules.turbo(model, 10, 0.3)) == 4


def test_align_your_steps() -> None:
    ten = schedules.align_your_steps("SD1", 10)
    assert ten.tolist() == pytest.approx([*schedules.ALIGN_YOUR_STEPS["SD1"][:-1], 0.0])
    twenty = schedules.align_your_steps("SDXL", 20)
    assert len(twenty) == 21
    assert float(twenty[2]) == pytest.approx(schedules.ALIGN_YOUR_STEPS["SDXL"][1])
    assert float(twenty[1] ** 2) == pytest.approx(float(twenty[0] * twenty[2]), rel=1e-5)
    assert torch.equal(schedules.align_your_steps("SVD", 10, 0.3), schedules.align_your_steps("SVD", 10)[-4:])
    assert len(schedules.align_your_steps("SVD", 10, 0.0)) == 0


def test_extended_steps() -> None:
    levels = torch.tensor([8.0, 4.0, 0.0])
    assert schedules.extended(levels, 2, math.inf, 5.0, "linear").tolist() == [8.0, 6.0, 4.0, 0.0]
    assert schedules.extended(levels, 2, 7.0, 0.0, "linear").tolist() == [8.0, 4.0, 2.0, 0.0]
    assert schedules.extended(levels, 1, math.inf, 0.0, "sine").tolist() == levels.tolist()
    cosine, sine = (schedules.extended(levels, 2, math.inf, 5.0, spacing) for spacing in ("cosine", "sine"))
    assert float(cosine[1]) == pytest.approx(8 - 4 * math.sin(math.pi / 4))
    assert float(sine[1]) == pytest.approx(4 + 4 * math.cos(math.pi / 4))
    assert schedules.extended(torch.empty(0), 2, math.inf, 5.0, "linear").tolist() == []


@pytest.mark.parametrize(
    ("make", "input"),
    [
        (lambda: schedules.sigmas(discrete(), "kaRRas", 8), "scheduler"),
        (lambda: schedules.sigmas(discrete(), "karras", 0), "steps"),
        (lambda: schedules.karras(8, 0.1, 10.0, rho=0.0), "rho"),
        (lambda: schedules.exponential(8, 0.0, 10.0), "sigma_min"),
        (lambda: schedules.polyexponential(8, 0.1, 0.0), "sigma_max"),
        (lambda: schedules.beta(discrete(), 8, alpha=0.0), "alpha"),
        (lambda: schedules.beta(discrete(), 8, beta=0.0), "beta"),
    ],
)
def test_what_cannot_work_is_named(make: object, input: str) -> None:
    assert callable(make)
    with pytest.raises(InputInvalid) as raised:
        make()
    assert raised.value.input == input
