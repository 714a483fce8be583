"""Every sampler against what ComfyUI 0.33.0 makes of the same steps, for k-diffusion scaling and for flows.

``samplers/cases.json`` says which sampler, options, noise levels and seed; ``samplers/outputs.safetensors`` holds where
ComfyUI's function of that name ended on a CPU, with :class:`Formula` for its model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.computing import StepNoise
from nodes.diffusion import noise, schedules
from nodes.diffusion.parameterization import Parameterization, discrete, flow, flux_flow
from nodes.diffusion.samplers import find
from nodes.sampler_names import BEHIND_NODES, SAMPLERS
from tests.reference.recorded import distance, read

SAMPLES = Path(__file__).parent / "samplers"
CASES: dict[str, dict[str, Any]] = json.loads((SAMPLES / "cases.json").read_text())
MODELS = {
    "sd": discrete(),
    "sd3": flow(3.0),
    "flux": flux_flow(1.15),
    "flux2": flux_flow(2.02),
    "scaled": flow(3.0, noise_scale=2.0),
}
BOUND = 5e-5
BOUNDS = {"uni_pc": 2e-4, "uni_pc_bh2": 2e-4}
"""ComfyUI takes the log SNR of UniPC's lowest level from a difference of nearly equal numbers."""


class Formula:
    """A smooth stand-in for a network: the clean latent by an equation."""

    step_noise: StepNoise = "device"

    def __init__(self, parameterization: Parameterization, seed: int) -> None:
        self.parameterization, self.seed = parameterization, seed

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        mixed = 0.7 * x / (1 + sigma) + 0.3 * torch.roll(x, 1, -1) / (1 + sigma) ** 2
        return 0.9 * mixed.tanh() + 0.05 * (3 * sigma).cos()

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        denoised = self(x, sigma)
        return denoised, 0.8 * denoised + 0.02


@pytest.fixture(scope="module")
def recorded() -> dict[str, Tensor]:
    return {case: tensors[""] for case, tensors in read(SAMPLES / "outputs.safetensors").items()}


@pytest.mark.parametrize("case", CASES)
def test_ends_where_comfyui_does(case: str, recorded: dict[str, Tensor], record_property: Any) -> None:
    given = CASES[case]
    model, sampler = MODELS[given["model"]], given["sampler"]
    sigmas = schedules.sampler_sigmas(model, sampler, given["scheduler"], given["steps"])
    start = model.add_noise(sigmas[0], noise.initial((1, 2, 4, 4), 0), torch.zeros(1, 2, 4, 4))
    made = find(sampler)(Formula(model, given["seed"]), start, sigmas, **given["options"])
    found = distance(made, recorded[case])
    record_property("distance", found)
    assert found <= BOUNDS.get(sampler, BOUND)


def test_every_case_is_recorded(recorded: dict[str, Tensor]) -> None:
    assert set(CASES) == set(recorded)
    assert {given["sampler"] for given in CASES.values()} >= {*SAMPLERS, *BEHIND_NODES} - {
        "ddim",  # euler by another name
        "lcm_upscale",  # its noise is nobody's seed in ComfyUI
        "euler_cfg_pp_alternative",  # a node's choice, recorded among the workflows
    }
