"""Samplers against what they must reach: the exact solution for Gaussian data, whose denoiser is linear."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.computing import StepNoise
from engine.errors import InputInvalid
from nodes.choices import SAMPLER_NAMES
from nodes.diffusion import noise, schedules
from nodes.diffusion.parameterization import Parameterization, discrete, flow
from nodes.diffusion.samplers import find
from nodes.sampler_names import BEHIND_NODES, SAMPLERS

MEAN, SPREAD = 0.3, 0.5
ENDS_ABOVE_ZERO = {"dpm_fast", "dpm_adaptive"}
RENOISES = {"ddpm", "lcm"}
STOCHASTIC = {name for name in SAMPLER_NAMES if "ancestral" in name or "sde" in name or "seeds" in name} | RENOISES
STOCHASTIC |= {"sa_solver", "sa_solver_pece"}
DETERMINISTIC = [name for name in SAMPLER_NAMES if name not in STOCHASTIC]
NAMED_ONCE = [name for name in SAMPLER_NAMES if not name.endswith("_gpu")]

# The order with which the error falls, first steps of lower order included; options that leave only the ODE.
ORDERS = [
    ("euler", 1, {}),
    ("heun", 2, {}),
    ("dpm_2", 2, {}),
    ("dpmpp_2m", 2, {}),
    ("dpmpp_2s_ancestral", 2, {"eta": 0.0}),
    ("dpmpp_sde", 2, {"eta": 0.0}),
    ("dpmpp_2m_sde", 2, {"eta": 0.0}),
    ("dpmpp_2m_sde_heun", 2, {"eta": 0.0}),
    ("dpmpp_3m_sde", 2, {"eta": 0.0}),
    ("res_multistep", 2, {}),
    ("er_sde", 1.5, {"solver_type": "ODE"}),
    ("seeds_2", 2, {"eta": 0.0}),
    ("seeds_3", 2.5, {"eta": 0.0}),
    ("sa_solver", 3, {"eta": 0.0}),
    ("uni_pc", 1.8, {}),
    ("uni_pc_bh2", 1.8, {}),
    ("lms", 3, {}),
    ("deis", 3, {}),
    ("ipndm_v", 1, {}),
]


@dataclass
class Gaussian:
    """The exact denoiser for clean latents of independent values N(MEAN, SPREAD**2)."""

    parameterization: Parameterization = field(default_factory=discrete)
    seed: int = 7
    step_noise: StepNoise = "device"
    calls: list[float] = field(default_factory=list)

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.calls.append(float(sigma))
        alpha, variance = self._signal(float(sigma))
        return MEAN + alpha * SPREAD**2 / variance * (x - alpha * MEAN)

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        denoised = self(x, sigma)
        return denoised, denoised

    def _signal(self, sigma: float) -> tuple[float, float]:
        alpha = 1 - sigma if self.parameterization.is_flow else 1.0
        return alpha, alpha**2 * SPREAD**2 + sigma**2

    def solution(self, x: Tensor, start: float, end: float) -> Tensor:
        """Where the probability flow ODE takes ``x`` from level ``start`` to level ``end``."""
        (alpha, variance), (alpha_end, variance_end) = self._signal(start), self._signal(end)
        return alpha_end * MEAN + math.sqrt(variance_end / variance) * (x - alpha * MEAN)


def start(model: Parameterization, sigma: float, seed: int = 0, shape: tuple[int, ...] = (1, 4, 8, 8)) -> Tensor:
    clean = MEAN + SPREAD * noise.initial(shape, seed + 1000)
    return model.add_noise(torch.tensor(sigma), noise.initial(shape, seed), clean)


def error(name: str, steps: int, options: dict[str, object], model: Parameterization, high: float, low: float) -> float:
    denoise = Gaussian(model)
    sigmas = schedules.karras(steps + 1, low, high, rho=3.0)[:-1]
    x = start(model, high).double()
    exact = denoise.solution(x, high, low)
    return float((find(name)(denoise, x, sigmas, **options) - exact).norm() / exact.norm())


def test_every_name_of_the_list_has_a_sampler() -> None:
    assert tuple(SAMPLERS) == SAMPLER_NAMES
    for function in map(find, {**SAMPLERS, **BEHIND_NODES}):
        names = list(inspect.signature(function).parameters)
        assert names[:4] == ["denoise", "x", "sigmas", "callback"]


@pytest.mark.parametrize(("name", "order", "options"), ORDERS)
def test_converges_to_the_ode_solution_with_its_order(name: str, order: float, options: dict[str, object]) -> None:
    coarse, fine = (error(name, steps, options, discrete(), 10.0, 0.1) for steps in (32, 128))
    assert math.log(coarse / fine, 4) > order - 0.25
    assert fine < (0.011 if name == "euler" else 6e-4)


@pytest.mark.parametrize(("name", "order", "options"), ORDERS)
def test_converges_for_flows(name: str, order: float, options: dict[str, object]) -> None:
    coarse, fine = (error(name, steps, options, flow(), 0.95, 0.05) for steps in (8, 128))
    assert math.log(coarse / fine, 16) > min(order, 2) - 0.25


@pytest.mark.parametrize("name", ["dpm_fast", "dpm_adaptive", "heunpp2", "ipndm", "gradient_estimation"])
def test_comes_close_to_the_ode_solution(name: str) -> None:
    assert error(name, 48, {}, discrete(), 10.0, 0.1) < 0.04


# lcm jumps to the mean again and again; dpmpp_2s_ancestral_cfg_pp adds the difference of two evaluations' predictions.
KEEP_THE_SPREAD = sorted(STOCHASTIC - {"ddpm", "lcm", "dpmpp_2s_ancestral_cfg_pp"})
# res_multistep adds noise as in k-diffusion scaling, whatever the model.
KEEP_THE_SPREAD_OF_FLOWS = [name for name in KEEP_THE_SPREAD if not name.startswith("res_multistep")]


@pytest.mark.parametrize(
    ("name", "model", "high"),
    [(name, discrete(), 14.0) for name in KEEP_THE_SPREAD] + [(n, flow(), 0.98) for n in KEEP_THE_SPREAD_OF_FLOWS],
)
def test_noise_keeps_the_distribution(name: str, model: Parameterization, high: float) -> None:
    x = start(model, high, shape=(4, 4, 32, 32))
    made = find(name)(Gaussian(model), x, schedules.karras(40, 0.02, high, rho=5.0))
    assert float(made.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(made.std()) == pytest.approx(SPREAD, rel=0.1)


def test_ddpm_keeps_the_distribution() -> None:
    sigmas = schedules.karras(200, 0.02, 14.0)
    made = find("ddpm")(Gaussian(), start(discrete(), 14.0, shape=(4, 4, 32, 32)), sigmas)
    assert float(made.mean()) == pytest.approx(MEAN, abs=0.03)
    assert float(made.std()) == pytest.approx(SPREAD, rel=0.1)


@dataclass
class Constant:
    """Knows the picture already."""

    clean: Tensor
    parameterization: Parameterization = field(default_factory=discrete)
    seed: int = 3
    step_noise: StepNoise = "device"

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.clean

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return self.clean, self.clean


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(NAMED_ONCE),
    scheduler=st.sampled_from(list(schedules.SCHEDULERS)),
    steps=st.integers(1, 12),
    is_flow=st.booleans(),
    seed=st.integers(0, 2**64 - 1),
)
def test_ends_at_a_picture_that_is_known(name: str, scheduler: str, steps: int, is_flow: bool, seed: int) -> None:
    model = flow(3.0) if is_flow else discrete()
    sigmas = schedules.sampler_sigmas(model, name, scheduler, steps)
    clean = torch.linspace(-1, 1, 32).reshape(1, 2, 4, 4)
    x = model.add_noise(sigmas[0], noise.initial(clean.shape, seed), clean)
    before = x.clone()
    made = find(name)(Constant(clean, model, seed), x, sigmas)
    assert torch.equal(x, before)
    if name in ENDS_ABOVE_ZERO:
        assert float((made - clean).abs().max()) < 6 * float(sigmas[-2]) + 1e-4
    else:
        assert float((made - clean).abs().max()) < 6e-3


@pytest.mark.parametrize("name", NAMED_ONCE)
def test_reports_each_step_once_with_its_level(name: str) -> None:
    sigmas = schedules.karras(5, 0.1, 10.0)
    seen: list[tuple[int, float]] = []

    def callback(step: int, sigma: Tensor, x: Tensor, denoised: Tensor) -> None:
        assert x.shape == denoised.shape == (1, 4, 8, 8)
        seen.append((step, float(sigma)))

    find(name)(Gaussian(), start(discrete(), 10.0), sigmas, callback=callback)
    assert [step for step, _ in seen] == list(range(len(seen)))
    levels = [sigma for _, sigma in seen]
    if name in ENDS_ABOVE_ZERO:
        assert levels[0] == pytest.approx(10.0)
        assert levels == sorted(levels, reverse=True)
    else:
        assert levels == pytest.approx(sigmas[:-1].tolist())


@pytest.mark.parametrize("name", sorted({**SAMPLERS, **BEHIND_NODES}))
def test_changes_nothing_without_a_step(name: str) -> None:
    x = start(discrete(), 1.0)
    for sigmas in (torch.empty(0), torch.tensor([1.0])):
        assert torch.equal(find(name)(Gaussian(), x, sigmas), x)


@pytest.mark.parametrize("name", NAMED_ONCE)
def test_a_seed_decides_and_nothing_else(name: str) -> None:
    sigmas = schedules.karras(4, 0.1, 10.0)
    x = start(discrete(), 10.0)
    torch.manual_seed(1)
    first = find(name)(Gaussian(seed=5), x, sigmas)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1)), "the global generator was used"
    assert torch.equal(first, find(name)(Gaussian(seed=5), x, sigmas))
    same = torch.equal(first, find(name)(Gaussian(seed=6), x, sigmas))
    assert same == (name not in STOCHASTIC)


@pytest.mark.parametrize("name", [name for name in NAMED_ONCE if "cfg_pp" in name and "2s" not in name])
def test_cfg_pp_without_guidance_is_the_plain_sampler(name: str) -> None:
    sigmas = schedules.karras(6, 0.1, 10.0)
    x = start(discrete(), 10.0)
    plain = find(name.removesuffix("_cfg_pp"))(Gaussian(), x, sigmas)
    torch.testing.assert_close(find(name)(Gaussian(), x, sigmas), plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["dpmpp_sde", "dpmpp_2m_sde", "dpmpp_2m_sde_heun", "dpmpp_3m_sde"])
def test_gpu_names_draw_the_same_noise(name: str) -> None:
    sigmas = schedules.karras(4, 0.1, 10.0)
    x = start(discrete(), 10.0)
    assert torch.equal(find(name)(Gaussian(), x, sigmas), find(f"{name}_gpu")(Gaussian(), x, sigmas))


def test_more_steps_along_a_brownian_path_refine_the_same_picture() -> None:
    x = start(discrete(), 10.0)

    def made(steps: int, seed: int = 5) -> Tensor:
        return find("dpmpp_3m_sde")(Gaussian(seed=seed), x, schedules.karras(steps, 0.05, 10.0))

    best = made(160)
    near, nearer, other = ((picture - best).norm() for picture in (made(20), made(80), made(160, seed=6)))
    assert nearer < near < other / 2


def test_dpm_adaptive_spends_more_where_less_error_is_allowed() -> None:
    sigmas = schedules.karras(8, 0.03, 14.0)
    loose, tight = Gaussian(), Gaussian()
    find("dpm_adaptive")(loose, start(discrete(), 14.0), sigmas)
    find("dpm_adaptive")(tight, start(discrete(), 14.0), sigmas, rtol=0.001, atol=0.0001)
    assert len(tight.calls) > len(loose.calls) > 8


def test_lcm_upscale_grows_the_latent() -> None:
    sigmas = schedules.karras(4, 0.1, 10.0)
    made = find("lcm_upscale")(Gaussian(), start(discrete(), 10.0), sigmas, total_upscale=2.0)
    assert made.shape == (1, 4, 16, 16)
    one_step = find("lcm_upscale")(
        Gaussian(), start(discrete(), 10.0), sigmas, total_upscale=1.5, upscale_method="bilinear", upscale_steps=1
    )
    assert one_step.shape == (1, 4, 12, 12)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dpm_adaptive", {"order": 4}),
        ("dpmpp_sde", {"r": 0.0}),
        ("dpmpp_2m_sde", {"solver_type": "euler"}),
        ("er_sde", {"solver_type": "SDE"}),
        ("lms", {"order": 0}),
        ("ipndm", {"max_order": 5}),
    ],
)
def test_an_option_that_cannot_work_is_named(name: str, options: dict[str, object]) -> None:
    with pytest.raises(InputInvalid) as raised:
        find(name)(Gaussian(), start(discrete(), 10.0), schedules.karras(4, 0.1, 10.0), **options)
    assert raised.value.input == next(iter(options))
