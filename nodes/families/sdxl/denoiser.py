"""The UNet of Stable Diffusion XL, which gets a vector beside the prompt."""

from __future__ import annotations

from dataclasses import replace

from nodes.diffusion.parameterization import continuous_edm
from nodes.diffusion.unet_config import as_diffusers
from nodes.diffusion.weights import WeightView
from nodes.families.sd.denoiser import model_of, step
from nodes.families.sd.variant import read_variant
from nodes.families.sdxl import FAMILY
from nodes.latent_space import PLAYGROUND_25
from nodes.values import Model

__all__ = ["load", "step"]

SIGMA_MIN = 0.002
PLAYGROUND_SIGMA_MAX, PLAYGROUND_SIGMA_DATA = 80.0, 0.5


def load(view: WeightView) -> Model:
    """The model of a UNet in either layout. The refiner has a fourth level; base and distillations have three."""
    network = as_diffusers(view)
    refines = "down_blocks.3.resnets.0.conv1.weight" in network
    model = model_of(FAMILY, network, read_variant(network, "sdxl_refiner" if refines else "sdxl"), "eps")
    return model if refines else _on_continuous_levels(model, view)


def _on_continuous_levels(model: Model, view: WeightView) -> Model:
    """The model, with the noise levels of EDM (Karras et al. 2022, arXiv:2206.00364) where the file says so.

    Playground 2.5 marks itself with its latents' mean and spread; CosXL and its finetunes, which predict v, with the
    ends of their levels.
    """
    marks = view.file.view("")
    if "edm_mean" in marks and "edm_std" in marks:
        parameterization = continuous_edm("edm", SIGMA_MIN, PLAYGROUND_SIGMA_MAX, PLAYGROUND_SIGMA_DATA)
        return replace(model, parameterization=parameterization, space=PLAYGROUND_25)
    if "edm_vpred.sigma_max" in marks:
        lowest = "edm_vpred.sigma_min"
        sigma_min = marks[lowest].item() if lowest in marks else SIGMA_MIN
        parameterization = continuous_edm("v", sigma_min, marks["edm_vpred.sigma_max"].item())
        return replace(model, parameterization=parameterization)
    return model
