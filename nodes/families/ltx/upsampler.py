"""Networks that enlarge LTX's latents in space or time, so that a second sampling goes on with more of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.ltx2.latent_upsampler import BlurDownsample, LTX2LatentUpsamplerModel
from torch import Tensor, nn

from engine.errors import ModelUnreadable
from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.identity import what_it_is
from nodes.diffusion.weights import WeightFile, WeightView
from nodes.families.ltx.header import description
from nodes.values import LatentUpscaleModel, Vae

MARK = "post_upsample_res_blocks.0.conv2.bias"
RATIONAL = "upsampler.conv.weight"


def load(path: Path) -> LatentUpscaleModel:
    """The network in a file of its own. Raises ``ModelUnreadable`` where it is none."""
    file = WeightFile(path)
    view = file.view("")
    if MARK not in view:
        raise ModelUnreadable(
            f"'{path.name}' holds no network that enlarges latents{what_it_is(file)}",
            input="model_name",
            remedy="take one of LTX's spatial or temporal upscalers",
        )
    weights = Weights(
        f"upsampler:{content_key(view)}", lambda: _build(view), f"{path.name} upscaler", release=file.release
    )
    return LatentUpscaleModel(weights, view.shape("initial_conv.weight")[1])


def enlarged(models: ModelStore, network: LatentUpscaleModel, vae: Vae, samples: Tensor) -> Tensor:
    """Latents of films, float32[batch, channels, frames, h, w], in more cells; ``vae``: whose statistics they have."""
    with torch.no_grad():
        with models.lease(vae.weights) as lent:
            given: Any = lent
            means, deviations = (each.float().cpu()[:, None, None, None] for each in (given.means, given.deviations))
        with models.lease(network.weights) as lent:
            module: Any = lent
            weight = module.initial_conv.weight
            made = module((samples * deviations + means).to(weight.device, weight.dtype))
    found: Tensor = (made.to("cpu", torch.float32) - means) / deviations
    return found


def _build(view: WeightView) -> nn.Module:
    config = description(view)
    width, channels, *kernel = view.shape("initial_conv.weight")
    scale = float(config.get("spatial_scale", 2.0))
    network: Any = assemble(
        lambda: LTX2LatentUpsamplerModel(
            in_channels=channels,
            mid_channels=width,
            num_blocks_per_stage=view.count("res_blocks"),
            dims=len(kernel),
            spatial_upsample=bool(config.get("spatial_upsample", True)),
            temporal_upsample=bool(config.get("temporal_upsample", False)),
            rational_spatial_scale=scale,
            use_rational_resampler=RATIONAL in view,
        ),
        view,
    )
    if RATIONAL in view:  # its filter is no tensor of the file
        network.upsampler.blur_down = BlurDownsample(2, network.upsampler.den).to(view[RATIONAL].dtype)
    return network  # type: ignore[no-any-return]
