"""T2I adapters, full and light: built by their tensors' shapes, and where their features go."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from diffusers import T2IAdapter
from torch import Tensor, nn

from nodes.diffusion.assembly import assemble
from nodes.diffusion.unet import ControlResiduals
from nodes.diffusion.weights import WeightView

# Where an adapter's features go, as its authors trained it: input blocks by feature, the rest into the middle.
_BLOCKS = (2, 5, 8, 11)
_XL_BLOCKS = (3, 5, 8)


def build_adapter(view: WeightView) -> T2IAdapter:
    """The adapter whose tensors ``view`` has under diffusers' names."""
    light = "adapter.conv_in.weight" not in view
    unshuffled = view.shape("adapter.body.0.in_conv.weight" if light else "adapter.conv_in.weight")[1]
    # Files of the SDXL kind unshuffle 16 x 16 pixels into channels, the others 8 x 8; pictures have 1 or 3 channels.
    factor = 16 if unshuffled in (16 * 16, 3 * 16 * 16) else 8
    levels = view.count("adapter.body")
    width = "out_conv" if light else "resnets.0.block1"
    channels = [view.shape(f"adapter.body.{level}.{width}.weight")[0] for level in range(levels)]
    config: dict[str, Any] = {"in_channels": unshuffled // factor**2, "downscale_factor": factor}
    if light:
        # The last level has the width of the one before, and is not listed.
        config |= {"channels": channels[:-1], "num_res_blocks": view.count("adapter.body.0.resnets")}
        kind = "light_adapter"
    else:
        config |= {"channels": channels}
        kind = "full_adapter_xl" if factor == 16 else "full_adapter"
    adapter = assemble(lambda: T2IAdapter(**config, adapter_type=kind), view)
    for block in adapter.adapter.body:
        if block.downsample is not None:
            block.downsample = EvenPool()
    return adapter


class EvenPool(nn.Module):
    """Halves a feature map by averages; zeros lead and follow an odd side, as when adapters were trained."""

    def forward(self, hidden: Tensor) -> Tensor:
        """[batch, channels, height, width] to half the height and width, rounded up."""
        odd = (hidden.shape[-2] % 2, hidden.shape[-1] % 2)
        return F.avg_pool2d(hidden, 2, 2, padding=odd)


def hint_multiple_px(module: Any) -> int:
    """The sides of an adapter's picture are multiples of this."""
    return int(module.adapter.unshuffle.downscale_factor)


def adapter_features(module: Any, hint: Tensor) -> ControlResiduals:
    """What the adapter adds to the input blocks, from a picture, [batch, 3, height, width], 0..1."""
    inner = module.adapter
    first = inner.body[0].in_conv if module.config.adapter_type == "light_adapter" else inner.conv_in
    if first.in_channels == inner.unshuffle.downscale_factor**2:
        hint = hint.mean(1, keepdim=True)
    features: list[Tensor] = inner(hint)
    blocks = _XL_BLOCKS if module.config.adapter_type == "full_adapter_xl" else _BLOCKS
    inputs: list[Tensor | None] = [None] * (blocks[-1] + 1)
    for block, feature in zip(blocks, features, strict=False):
        inputs[block] = feature
    middle = features[len(blocks)] if len(features) > len(blocks) else None
    return ControlResiduals(inputs=tuple(inputs), middle=middle)
