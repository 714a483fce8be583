"""Families of diffusion models: one row each, and how a file's tensors tell which it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from engine.errors import ModelUnreadable
from nodes.diffusion.weights import WeightFile, WeightView
from nodes.families.sd import SPACE as SD_SPACE
from nodes.families.sdxl import SPACE as SDXL_SPACE
from nodes.latent_space import LatentSpace

Prediction = Literal["eps", "v"]
ConcatPart = Literal["mask", "masked_image", "image"]


@dataclass(frozen=True, slots=True)
class TextSlot:
    """One text encoder of a checkpoint: ``l`` (CLIP ViT-L), ``h`` (OpenCLIP ViT-H) or ``g`` (OpenCLIP bigG).

    ``prefixes``: where its tensors are in a single file, the first that occurs.
    """

    kind: Literal["l", "h", "g"]
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """What the parts of a checkpoint have in common, and what the sampler must know of its denoiser.

    ``prediction``: what the network's output is; ``zsnr``: its schedule is rescaled to end at zero terminal SNR
    (Lin et al. 2023, arXiv:2305.08891). ``adm``: how the vector beside the text is made. ``concat``: what an
    inpainting or editing model gets in further input channels, in order.
    """

    name: Literal["sd15", "sd2", "sdxl", "sdxl_refiner"]
    latent: LatentSpace
    text: tuple[TextSlot, ...]
    prediction: Prediction = "eps"
    zsnr: bool = False
    adm: Literal["sdxl", "refiner"] | None = None
    concat: tuple[ConcatPart, ...] = ()

    @property
    def inpaint(self) -> bool:
        """Whether the denoiser has channels for a mask and the masked picture."""
        return "mask" in self.concat


_CLIP_L = TextSlot("l", ("cond_stage_model.transformer.", "conditioner.embedders.0.transformer."))
_CLIP_H = TextSlot("h", ("cond_stage_model.model.", "conditioner.embedders.0.model."))

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("sd15", SD_SPACE, (_CLIP_L,)),
        Family("sd2", SD_SPACE, (_CLIP_H,)),
        Family(
            "sdxl",
            SDXL_SPACE,
            (
                TextSlot("l", ("conditioner.embedders.0.transformer.",)),
                TextSlot("g", ("conditioner.embedders.1.model.",)),
            ),
            adm="sdxl",
        ),
        Family(
            "sdxl_refiner",
            SDXL_SPACE,
            (TextSlot("g", ("conditioner.embedders.0.model.",)),),
            adm="refiner",
        ),
    )
}

_CONCAT: Mapping[int, tuple[ConcatPart, ...]] = {4: (), 8: ("image",), 9: ("mask", "masked_image")}

_SUPPORTED = "take a model of the SD 1, SD 2 or SDXL family"
# A network whose last self-attention norm has a bias this spread out was trained to predict v (SD2.x at 768 px).
_V_BIAS_DEVIATION = 0.09


def detect(unet: WeightView, file: WeightFile) -> Family:
    """The family of a UNet (tensors under diffusers' names) by key and shape, never by absolute width.

    ``file``: where it comes from; the marker tensors ``v_pred`` and ``ztsnr`` are looked up there.
    Raises ``ModelUnreadable`` for networks that none of the rows describes.
    """
    family = FAMILIES[_name(unet)]
    in_channels = unet.shape("conv_in.weight")[1]
    if in_channels not in _CONCAT:
        raise ModelUnreadable(
            f"'{file.path.name}': a UNet with {in_channels} input channels is of no known family", remedy=_SUPPORTED
        )
    family = replace(family, concat=_CONCAT[in_channels])
    # SDXL finetunes began to mark themselves with this tensor; it says the same wherever it stands.
    if "v_pred" in file.facts:
        return replace(family, prediction="v", zsnr="ztsnr" in file.facts)
    if family.name == "sd2" and in_channels == 4 and _predicts_v(unet):
        return replace(family, prediction="v")
    return family


def _name(unet: WeightView) -> str:
    if "add_embedding.linear_1.weight" in unet:
        # The refiner has a fourth level; the base model and its distillations have three.
        return "sdxl_refiner" if "down_blocks.3.resnets.0.conv1.weight" in unet else "sdxl"
    projection = next((name for name in unet if name.endswith("proj_in.weight")), None)
    if projection is None:
        raise ModelUnreadable(
            f"'{unet.file.path.name}' holds a UNet without text attention, of no known family", remedy=_SUPPORTED
        )
    return "sd2" if len(unet.shape(projection)) == 2 else "sd15"


def _predicts_v(unet: WeightView) -> bool:
    name = "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias"
    return name in unet and bool(unet[name].float().std(unbiased=False) > _V_BIAS_DEVIATION)
