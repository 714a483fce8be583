"""What a model's output means and which noise levels it knows, set by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Bool, Choice, Float, Int
from engine.registry import node
from nodes import diffusion
from nodes.latent_space import PLAYGROUND_25
from nodes.values import Model

if TYPE_CHECKING:
    from nodes.diffusion.parameterization import Prediction

CATEGORY = "advanced/model"
Sigma = Annotated[float, Float(min=0.0, max=1000.0, step=0.001, round=False)]
Shift = Annotated[float, Float(min=0.0, max=100.0, step=0.01)]
Side = Annotated[int, Int(min=16, max=16384, step=8)]

_PREDICTIONS: dict[str, Prediction] = {
    "eps": "eps",
    "v_prediction": "v",
    "lcm": "lcm",
    "x0": "x0",
    "img_to_img": "img_to_img",
    "img_to_img_flow": "img_to_img_flow",
}
# Playground 2.5 was trained on latents of half the usual spread.


@node("ModelSamplingDiscrete", category=CATEGORY)
def sample_discrete(
    ctx: Context,
    *,
    model: Model,
    sampling: Annotated[str, Choice("eps", "v_prediction", "lcm", "x0", "img_to_img", "img_to_img_flow")],
    zsnr: Annotated[bool, Bool()] = False,
) -> Model:
    """A model trained on 1000 timesteps that predicts ``sampling``; ``zsnr``: down to no signal at all."""
    return replace(model, parameterization=diffusion.parameterization.discrete(_PREDICTIONS[sampling], zsnr=zsnr))


@node("ModelSamplingContinuousEDM", category=CATEGORY)
def sample_continuous_edm(
    ctx: Context,
    *,
    model: Model,
    sampling: Annotated[str, Choice("v_prediction", "edm", "edm_playground_v2.5", "eps", "cosmos_rflow")],
    sigma_max: Sigma = 120.0,
    sigma_min: Sigma = 0.002,
) -> Model:
    """A model trained on continuous noise levels between ``sigma_min`` and ``sigma_max`` (EDM)."""
    made = diffusion.parameterization
    if sampling == "cosmos_rflow":
        return replace(model, parameterization=made.cosmos_rflow(sigma_min, sigma_max))
    prediction: Prediction = "edm" if sampling.startswith("edm") else _PREDICTIONS[sampling]
    sigma_data = 0.5 if prediction == "edm" else 1.0
    if sampling == "edm_playground_v2.5":
        model = replace(model, space=PLAYGROUND_25)
    return replace(model, parameterization=made.continuous_edm(prediction, sigma_min, sigma_max, sigma_data))


@node("ModelSamplingContinuousV", category=CATEGORY)
def sample_continuous_v(
    ctx: Context,
    *,
    model: Model,
    sampling: Annotated[str, Choice("v_prediction")],
    sigma_max: Sigma = 500.0,
    sigma_min: Sigma = 0.03,
) -> Model:
    """A velocity model on continuous noise levels between ``sigma_min`` and ``sigma_max``."""
    return replace(model, parameterization=diffusion.parameterization.continuous_v(sigma_min, sigma_max))


@node("ModelSamplingSD3", category=CATEGORY)
def sample_sd3(ctx: Context, *, model: Model, shift: Shift = 3.0) -> Model:
    """A rectified flow whose noise levels are shifted towards noise."""
    return _flow(model, shift, 1000.0)


@node("ModelSamplingAuraFlow", category=CATEGORY)
def sample_auraflow(ctx: Context, *, model: Model, shift: Shift = 1.73) -> Model:
    """A rectified flow that is told sigma itself rather than a timestep."""
    return _flow(model, shift, 1.0)


def _flow(model: Model, shift: float, multiplier: float) -> Model:
    noise_scale = model.parameterization.noise_scale
    return replace(model, parameterization=diffusion.parameterization.flow(shift, multiplier, noise_scale))


@node("ModelNoiseScale", category="model/patch")
def scale_noise(
    ctx: Context, *, model: Model, noise_scale: Annotated[float, Float(min=0.0, max=64.0, step=0.01)] = 1.0
) -> Model:
    """A rectified flow that was trained on noise of standard deviation ``noise_scale``."""
    if not model.parameterization.is_flow:
        raise InputInvalid("this model is no rectified flow, so its noise has no scale", input="model")
    return replace(model, parameterization=replace(model.parameterization, noise_scale=noise_scale))


@node("ModelSamplingFlux", category=CATEGORY)
def sample_flux(
    ctx: Context,
    *,
    model: Model,
    max_shift: Shift = 1.15,
    base_shift: Shift = 0.5,
    width: Side = 1024,
    height: Side = 1024,
) -> Model:
    """A rectified flow whose shift grows with the picture: ``base_shift`` at 256 tokens, ``max_shift`` at 4096."""
    tokens = width * height / (8 * 8 * 2 * 2)
    slope = (max_shift - base_shift) / (4096 - 256)
    return replace(model, parameterization=diffusion.parameterization.flux_flow(base_shift + slope * (tokens - 256)))
