"""Whether a ControlNet or adapter was made for a UNet, told by the shapes of their weights."""

from __future__ import annotations

import re

from nodes.families.marks import Shapes

_ENCODER = ("down_blocks.", "mid_block.")
_FULL_FEATURE = re.compile(r"adapter\.body\.(\d+)\.resnets\.0\.block1\.weight")
_LIGHT_FEATURE = re.compile(r"adapter\.body\.(\d+)\.out_conv\.weight")


def encoder_fits(shapes: Shapes, unet: Shapes) -> bool:
    """A ControlNet is a copy of the denoiser's encoder. What only one of them has does not count: distilled denoisers
    and small ControlNets leave out layers, and yet fit.
    """
    shared = (name for name in shapes.keys() & unet.keys() if name.startswith(_ENCODER))
    return all(_bare(shapes[name]) == _bare(unet[name]) for name in shared)


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The same for a linear layer and a convolution of one pixel: either projects into attention."""
    return shape[:-2] if shape[-2:] == (1, 1) else shape


def adapter_fits(shapes: Shapes, unet: Shapes) -> bool:
    """Each of an adapter's features is added to that level of the denoiser's encoder, the last to its middle."""
    feature = _FULL_FEATURE if "adapter.conv_in.weight" in shapes else _LIGHT_FEATURE
    middle = unet["mid_block.resnets.0.conv1.weight"][0]
    for name, shape in shapes.items():
        if match := feature.fullmatch(name):
            level = unet.get(f"down_blocks.{match[1]}.resnets.0.conv1.weight", (middle,))
            if shape[0] != level[0]:
                return False
    return True
