"""The UNet of Stable Diffusion XL, which gets a vector beside the prompt."""

from __future__ import annotations

from nodes.diffusion.unet_config import as_diffusers
from nodes.diffusion.weights import WeightView
from nodes.families.sd.denoiser import model_of, step
from nodes.families.sd.variant import read_variant
from nodes.families.sdxl import FAMILY
from nodes.values import Model

__all__ = ["load", "step"]


def load(view: WeightView) -> Model:
    """The model of a UNet in either layout. The refiner has a fourth level; base and distillations have three."""
    network = as_diffusers(view)
    refines = "down_blocks.3.resnets.0.conv1.weight" in network
    return model_of(FAMILY, network, read_variant(network, "sdxl_refiner" if refines else "sdxl"), "eps")
