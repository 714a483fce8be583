"""Nodes that pick samplers: what they pick runs, with the options they give it."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.computing import StepNoise
from engine.registry import Registry
from nodes import samplers as nodes
from nodes.choices import SAMPLER_NAMES
from nodes.diffusion import schedules
from nodes.diffusion.parameterization import Parameterization, discrete
from nodes.diffusion.samplers import find
from nodes.sampling_values import Noise, Sampler

REGISTRY = Registry()
REGISTRY.add_module(nodes)
OPTION_NODES = sorted(name for name in REGISTRY if name.startswith("Sampler"))


class Shrinking:
    """A denoiser that halves what it gets."""

    parameterization: Parameterization = discrete()
    seed = 1
    step_noise: StepNoise = "device"

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (1 + sigma.to(x) ** 2)

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return self(x, sigma), self(x, sigma) / 2


def with_defaults(name: str, **inputs: Any) -> Sampler:
    given: dict[str, Any] = {"model": SimpleNamespace(parameterization=discrete()), "use_pece": True}
    given |= {"simple_order_2": False} | inputs
    specs = REGISTRY[name].inputs
    chosen = {key: given.get(key, spec.default) for key, spec in specs.items()}
    made = REGISTRY[name].run(None, **chosen)
    assert isinstance(made, Sampler)
    return made


@pytest.mark.parametrize("name", OPTION_NODES)
def test_options_are_the_samplers_own_and_run(name: str) -> None:
    sampler = with_defaults(name)
    function = find(sampler.name)
    assert set(sampler.options) <= set(inspect.signature(function).parameters)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 10
    made = function(Shrinking(), x, schedules.karras(4, 0.1, 10.0), **sampler.options)
    assert torch.isfinite(made).all()
    assert not torch.equal(made, x)


@pytest.mark.parametrize("name", OPTION_NODES)
def test_a_nodes_defaults_are_the_samplers(name: str) -> None:
    sampler = with_defaults(name, use_pece=False)
    parameters = inspect.signature(find(sampler.name)).parameters
    computed = {"sde_start_sigma", "sde_end_sigma", "total_upscale"}
    for option, value in sampler.options.items():
        if option not in computed:
            assert value == parameters[option].default, option


def test_choices_lead_to_names() -> None:
    assert {nodes.ksampler_select(None, sampler_name=name).name for name in SAMPLER_NAMES} == set(SAMPLER_NAMES)
    assert with_defaults("SamplerDPMPP_SDE", noise_device="cpu").name == "dpmpp_sde"
    assert with_defaults("SamplerDPMPP_2M_SDE", noise_device="gpu").name == "dpmpp_2m_sde_gpu"
    assert with_defaults("SamplerEulerCFGpp", version="alternative").name == "euler_cfg_pp_alternative"
    assert with_defaults("SamplerLCMUpscale", scale_steps=3).options["upscale_steps"] == 3


def test_sa_solver_takes_its_range_as_sigmas() -> None:
    options = with_defaults("SamplerSASolver", sde_start_percent=0.0, sde_end_percent=0.5).options
    assert options["sde_start_sigma"] > 1e8
    assert options["sde_end_sigma"] == discrete().percent_to_sigma(0.5)


def test_noise() -> None:
    assert nodes.random_noise(None, noise_seed=2**64 - 1) == Noise(2**64 - 1)
    assert nodes.disable_noise(None) == Noise(None)
