"""The UNet of Lotus, which is given the picture's latent and predicts what is wanted of it."""

from __future__ import annotations

from nodes.diffusion.unet_config import as_diffusers
from nodes.diffusion.weights import WeightView
from nodes.families.lotus import FAMILY
from nodes.families.sd.denoiser import model_of, step
from nodes.families.sd.variant import read_variant
from nodes.values import Model

__all__ = ["load", "step"]


def load(view: WeightView) -> Model:
    """The model of a UNet in either layout."""
    network = as_diffusers(view)
    return model_of(FAMILY, network, read_variant(network, "sd2"), "img_to_img")
