"""Latent spaces: to the denoiser's scale and back, and the two spaces of Playground's EDM model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.context import Context
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from nodes.families import sd, sdxl
from nodes.latent_space import PLAYGROUND_25, LatentSpace
from nodes.loaders import load_checkpoint
from nodes.model_sampling import sample_continuous_edm

FORMATS = {"SD15": sd.SPACE, "SDXL": sdxl.SPACE, "PLAYGROUND_25": PLAYGROUND_25}


@pytest.mark.parametrize("kind", FORMATS.values(), ids=FORMATS.keys())
def test_there_and_back(kind: LatentSpace) -> None:
    latent = torch.randn(2, 4, 5, 7) * 6
    torch.testing.assert_close(kind.from_model(kind.to_model(latent)), latent, rtol=1e-5, atol=1e-5)


def test_playgrounds_space_has_half_a_deviation_about_zero() -> None:
    """Latents with the published statistics of each channel come out with mean 0 and EDM's data deviation, 1/2."""
    means = torch.tensor([-1.6574, 1.886, -1.383, 2.5155]).view(1, 4, 1, 1)
    deviations = torch.tensor([8.4927, 5.9022, 6.5498, 5.2299]).view(1, 4, 1, 1)
    noise = torch.randn(1, 4, 64, 64)
    noise = (noise - noise.mean((2, 3), keepdim=True)) / noise.std((2, 3), keepdim=True)
    scaled = PLAYGROUND_25.to_model(means + deviations * noise)
    torch.testing.assert_close(scaled.mean((2, 3)), torch.zeros(1, 4), rtol=0, atol=1e-4)
    torch.testing.assert_close(scaled.std((2, 3)), torch.full((1, 4), 0.5), rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("sampling", "kind", "sigma_data"),
    [("edm_playground_v2.5", "PLAYGROUND_25", 0.5), ("edm", "SDXL", 0.5), ("v_prediction", "SDXL", 1.0)],
)
def test_only_playgrounds_sampling_changes_the_space(
    models_dir: Path, sampling: str, kind: str, sigma_data: float
) -> None:
    ctx = Context(Folders(model_folders([models_dir])), ModelStore("cpu"))
    model = load_checkpoint(ctx, ckpt_name="tiny_sdxl.safetensors")[0]
    patched = sample_continuous_edm(ctx, model=model, sampling=sampling, sigma_max=80.0, sigma_min=0.002)
    assert patched.space == FORMATS[kind]
    assert model.space == sdxl.SPACE, "the model that it was made from stays as it was"
    # EDM's input scale is 1 / sqrt(sigma^2 + sigma_data^2), Karras et al. 2022, table 1.
    sigma, x = torch.tensor([3.0]), torch.ones(1, 4, 2, 2)
    scaled = patched.parameterization.scale_input(sigma, x)
    torch.testing.assert_close(scaled, x / (9 + sigma_data**2) ** 0.5)
