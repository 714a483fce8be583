"""Nodes that make and change noise levels."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nodes import sigmas as nodes
from nodes.diffusion.parameterization import discrete, flow
from nodes.sampling_values import Sigmas

CTX: Any = None
LEVELS = Sigmas(torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0]))


def model_of(parameterization: Any) -> Any:
    return SimpleNamespace(parameterization=parameterization)


SD = model_of(discrete())


def test_schedulers_give_one_level_more_than_steps() -> None:
    made = [
        nodes.basic_scheduler(CTX, model=SD, scheduler="normal", steps=7),
        nodes.karras_scheduler(CTX, steps=7),
        nodes.exponential_scheduler(CTX, steps=7),
        nodes.polyexponential_scheduler(CTX, steps=7),
        nodes.vp_scheduler(CTX, steps=7),
        nodes.beta_sampling_scheduler(CTX, model=SD, steps=7),
        nodes.sd_turbo_scheduler(CTX, model=SD, steps=7),
        nodes.align_your_steps_scheduler(CTX, model_type="SDXL", steps=7),
    ]
    for levels in made:
        assert levels.values.shape == (8,)
        assert levels.values.dtype == torch.float32
        assert levels.values[-1] == 0
        assert (levels.values[:-1] > levels.values[1:]).all()
    assert nodes.laplace_scheduler(CTX, steps=7).values.shape == (7,)


def test_basic_scheduler_with_denoise() -> None:
    part = nodes.basic_scheduler(CTX, model=SD, scheduler="simple", steps=5, denoise=0.5).values
    assert torch.equal(part, nodes.basic_scheduler(CTX, model=SD, scheduler="simple", steps=10).values[-6:])
    assert len(nodes.basic_scheduler(CTX, model=SD, scheduler="simple", steps=5, denoise=0.0).values) == 0


@pytest.mark.parametrize("step", [0, 2, 4, 9])
def test_split_sigmas_share_the_level_of_the_cut(step: int) -> None:
    high, low = nodes.split_sigmas(CTX, sigmas=LEVELS, step=step)
    assert high.values.tolist() == [8.0, 4.0, 2.0, 1.0, 0.0][: step + 1]
    assert low.values.tolist() == [8.0, 4.0, 2.0, 1.0, 0.0][step:]


@pytest.mark.parametrize(("denoise", "cut"), [(1.0, 0), (0.5, 2), (0.25, 3)])
def test_split_sigmas_by_denoise(denoise: float, cut: int) -> None:
    high, low = nodes.split_sigmas_denoise(CTX, sigmas=LEVELS, denoise=denoise)
    assert high.values.tolist() == [8.0, 4.0, 2.0, 1.0, 0.0][: cut + 1]
    assert low.values.tolist() == [8.0, 4.0, 2.0, 1.0, 0.0][cut:]


def test_split_sigmas_by_no_denoise_are_no_steps() -> None:
    high, low = nodes.split_sigmas_denoise(CTX, sigmas=LEVELS, denoise=0.0)
    assert (high.values.tolist(), low.values.tolist()) == ([], [0.0])


def test_changes_leave_the_input_alone() -> None:
    before = LEVELS.values.clone()
    assert nodes.flip_sigmas(CTX, sigmas=LEVELS).values.tolist() == pytest.approx([0.0001, 1.0, 2.0, 4.0, 8.0])
    assert nodes.set_first_sigma(CTX, sigmas=LEVELS, sigma=9.5).values.tolist() == [9.5, 4.0, 2.0, 1.0, 0.0]
    extended = nodes.extend_intermediate_sigmas(CTX, sigmas=LEVELS, steps=2, end_at_sigma=3.0, spacing="linear")
    assert extended.values.tolist() == [8.0, 6.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    assert torch.equal(LEVELS.values, before)


def test_no_levels_stay_none() -> None:
    none = Sigmas(torch.empty(0))
    assert len(nodes.flip_sigmas(CTX, sigmas=none).values) == 0
    assert len(nodes.set_first_sigma(CTX, sigmas=none).values) == 0
    assert [len(part.values) for part in nodes.split_sigmas_denoise(CTX, sigmas=none, denoise=0.5)] == [0, 0]


def test_progress_as_a_level() -> None:
    levels = SD.parameterization
    assert nodes.sampling_percent_to_sigma(CTX, model=SD, sampling_percent=0.5) == levels.percent_to_sigma(0.5)
    assert nodes.sampling_percent_to_sigma(CTX, model=SD) > 1e8
    assert nodes.sampling_percent_to_sigma(CTX, model=SD, return_actual_sigma=True) == levels.sigma_max
    assert (
        nodes.sampling_percent_to_sigma(CTX, model=SD, sampling_percent=1.0, return_actual_sigma=True)
        == levels.sigma_min
    )
    assert nodes.sampling_percent_to_sigma(CTX, model=SD, sampling_percent=1.0) == 0.0
    assert nodes.sampling_percent_to_sigma(CTX, model=model_of(flow()), sampling_percent=0.25) == 0.75


@pytest.mark.parametrize(
    ("made", "recorded"),
    [
        (
            nodes.ideogram4_scheduler(CTX, steps=7, width=2048, height=768, mu=0.5, std=1.0),
            [0.999877, 0.921539, 0.876731, 0.828622, 0.771335, 0.69634, 0.581348, 0.0],
        ),
        (
            nodes.optimal_steps_scheduler(CTX, model_type="FLUX", steps=20, denoise=0.5),
            [0.9471, 0.931319, 0.9158, 0.871162, 0.8287, 0.675855, 0.5512, 0.393417, 0.2808, 0.016757, 0.0],
        ),
        (
            nodes.optimal_steps_scheduler(CTX, model_type="Wan", steps=3),
            [1.0, 0.985666, 0.939624, 0.0],
        ),
        (nodes.optimal_steps_scheduler(CTX, model_type="Chroma", steps=7, denoise=0.0), []),
    ],
)
def test_levels_of_models_are_those_of_comfyui(made: Sigmas, recorded: list[float]) -> None:
    assert made.values.tolist() == pytest.approx(recorded, abs=2e-6)
