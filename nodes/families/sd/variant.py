"""What is particular to one UNet of the Stable Diffusion families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.errors import ModelUnreadable
from nodes.diffusion.weights import WeightView

ConcatPart = Literal["mask", "masked_image", "image"]

_CONCAT: Mapping[int, tuple[ConcatPart, ...]] = {4: (), 8: ("image",), 9: ("mask", "masked_image")}


@dataclass(frozen=True, slots=True)
class SDVariant:
    """``context_width``: of the prompts' tokens. ``concat``: what the network gets in further input channels, in order.

    ``texts``: the name of the set of encoders that it was trained with.
    """

    texts: str
    context_width: int
    concat: tuple[ConcatPart, ...] = ()


def read_variant(unet: WeightView, texts: str) -> SDVariant:
    """Of a UNet's tensors under diffusers' names. Raises ``ModelUnreadable`` for one of no known kind."""
    in_channels = unet.shape("conv_in.weight")[1]
    if in_channels not in _CONCAT:
        raise ModelUnreadable(
            f"'{unet.file.path.name}': a UNet with {in_channels} input channels is of no known family",
            remedy="take a model that draws, or one made for inpainting or for instructions",
        )
    attention = next((name for name in unet if name.endswith("attn2.to_k.weight")), None)
    if attention is None:
        raise ModelUnreadable(
            f"'{unet.file.path.name}' holds a UNet without text attention, of no known family",
            remedy="take a model that reads prompts",
        )
    return SDVariant(texts, unet.shape(attention)[1], _CONCAT[in_channels])
