"""Nodes that one family brings along, apart from what recorded workflows show of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nodes import builtin_registry
from nodes.sampling_values import Sigmas
from nodes.values import Latent

REGISTRY = builtin_registry()


def made(name: str, **inputs: Any) -> Any:
    """What a node that asks nothing of its run makes of ``inputs``."""
    return REGISTRY[name].run(None, **inputs)


def test_flux2_latents_stand_for_16_pixels_a_side() -> None:
    latent: Latent = made("EmptyFlux2LatentImage", width=128, height=96, batch_size=2)
    assert latent.samples.shape == (2, 128, 6, 8) and not latent.samples.any()


def test_layered_latents_have_a_frame_for_the_whole_picture() -> None:
    latent: Latent = made("EmptyQwenImageLayeredLatentImage", width=64, height=48, layers=3, batch_size=1)
    assert latent.samples.shape == (1, 16, 4, 6, 8)


def test_flux2_levels_start_at_pure_noise_and_end_clean() -> None:
    small: Sigmas = made("Flux2Scheduler", steps=8, width=512, height=512)
    large: Sigmas = made("Flux2Scheduler", steps=8, width=4096, height=4096)
    for levels in (small.values, large.values):
        assert (
            levels[0] == pytest.approx(1, abs=1e-4)
            and levels[-1] == 0
            and len(levels) == 9
            and bool((levels.diff() < 0).all())
        )
    assert bool((large.values[1:-1] > small.values[1:-1]).all())


@pytest.mark.parametrize(
    ("text", "expected"), [("1, 0.5", [1.0, 0.5]), ("14.6;7 -.5", [14.6, 7.0, -0.5]), ("", []), ("none", [])]
)
def test_manual_levels_are_the_numbers_in_the_text(text: str, expected: list[float]) -> None:
    levels: Sigmas = made("ManualSigmas", sigmas=text)
    assert torch.allclose(levels.values, torch.tensor(expected))
