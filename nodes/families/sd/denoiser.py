"""The UNet of Stable Diffusion 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from engine.weights import Weights
from nodes.diffusion import unet
from nodes.diffusion.contents import content_key
from nodes.diffusion.parameterization import Prediction, discrete
from nodes.diffusion.unet_config import as_diffusers, build_unet
from nodes.diffusion.weights import WeightView
from nodes.families.family import Family
from nodes.families.sd import FAMILY
from nodes.families.sd.variant import SDVariant, read_variant
from nodes.hooks import Call
from nodes.values import Model

# A network whose last self-attention norm has a bias this spread out was trained to predict v (SD2.x at 768 px).
_V_BIAS_DEVIATION = 0.09
_V_BIAS = "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias"


def load(view: WeightView) -> Model:
    """The model of a UNet in either layout."""
    network = as_diffusers(view)
    projection = next((name for name in network if name.endswith("proj_in.weight")), "")
    linear = bool(projection) and len(network.shape(projection)) == 2
    variant = read_variant(network, "sd2" if linear else "sd15")
    predicts_v = linear and not variant.concat and _predicts_v(network)
    return model_of(FAMILY, network, variant, "v" if predicts_v else "eps")


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """One pass through the UNet, with all hooks of :class:`nodes.hooks.NetworkPatches` but ``around_block``.

    ``inputs``: ``context``, [rows, tokens, width]; ``y``, the vector beside the prompt, [rows, width], where a network
    takes one; ``channels``: what stands beside the noisy latent, where it has input channels for that.
    """
    channels = inputs.get("channels")
    return unet.predict(
        module,
        x if channels is None else unet.beside(x, channels),
        timestep,
        inputs["context"],
        y=inputs.get("y"),
        control=call.control,
        patches=call.patches,
        rows=call.rows,
        sigma=call.sigma,
    )


def model_of(family: Family, network: WeightView, variant: SDVariant, prediction: Prediction) -> Model:
    """A model of a UNet's tensors under diffusers' names.

    Finetunes mark themselves with the tensors ``v_pred`` and ``ztsnr`` (its schedule ends at zero terminal SNR, Lin et
    al. 2023, arXiv:2305.08891), which say the same wherever they stand.
    """
    file = network.file
    if "v_pred" in file.facts:
        prediction = "v"
    weights = Weights(
        f"unet:{content_key(network)}",
        lambda: build_unet(network),
        f"{file.path.name} UNet",
        heavy=network.heavy,
        release=file.release,
    )
    parameterization = discrete(prediction, zsnr="v_pred" in file.facts and "ztsnr" in file.facts)
    return Model(weights, family, parameterization, family.space, variant)


def _predicts_v(network: WeightView) -> bool:
    return _V_BIAS in network and bool(network[_V_BIAS].float().std(unbiased=False) > _V_BIAS_DEVIATION)
