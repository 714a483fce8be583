"""What Flux.1's network gets beside the noisy latent: prompts, guidance, pictures to fill, follow or refer to."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.inputs import Input, Scene, spread_batch
from nodes.diffusion.latents import resize
from nodes.diffusion.lora.patch import LoraPatch
from nodes.diffusion.references import ReferenceMethod, reference_inputs
from nodes.diffusion.tokens import grid_size
from nodes.diffusion.transformers import context_of
from nodes.families.flux.variant import PATCH, FluxVariant
from nodes.values import Cond, Model

DEFAULT_GUIDANCE = 3.5
DEFAULT_METHOD: ReferenceMethod = "offset"
PIXELS = 8  # rows and columns of a picture in a latent pixel
_IMAGE_IN = "x_embedder.weight"


def inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """Those that :func:`nodes.families.flux.denoiser.step` describes.

    Guidance is 3.5 where the conditioning does not say, and none at all where it says None. Raises ``InputInvalid`` for
    another family's prompt.
    """
    found = prompt_inputs(entry, scene)
    guidance = entry.extra.get("guidance", DEFAULT_GUIDANCE)
    if guidance is not None:
        found["guidance"] = Input(torch.tensor([guidance], dtype=torch.float32))
    return found


def prompt_inputs(entry: Cond, scene: Scene) -> dict[str, Input]:
    """All inputs but the guidance."""
    variant: FluxVariant = scene.model.variant
    found = {"context": context_of(entry, scene, variant.context_width)}
    if entry.pooled is not None:
        found["pooled"] = Input(entry.pooled)
    if (image := _channels(entry, scene)) is not None:
        found["image"] = Input(image, "cut")
    if (bias := _bias(entry, scene)) is not None:
        found["bias"] = Input(bias)
    return found | reference_inputs(entry, scene, DEFAULT_METHOD)


def _channels(entry: Cond, scene: Scene) -> Tensor | None:
    """The picture that input channels are there for, in the model's scale, and the mask of what is to be filled."""
    latent, space = scene.latent, scene.model.space
    channels = input_channels(scene.model)
    if channels <= space.channels:
        return None
    picture = torch.zeros_like(latent) if entry.concat_latent is None else entry.concat_latent.to(latent)
    picture = space.to_model(_fit(picture, latent, 1))
    return picture if channels <= 2 * space.channels else torch.cat([picture, _mask(entry, scene)], dim=1)


def _mask(entry: Cond, scene: Scene) -> Tensor:
    """The mask at the picture's full size, each latent pixel's part as 64 channels: 1 = fill here."""
    latent = scene.latent
    mask = entry.concat_mask if entry.concat_mask is not None else scene.mask
    if mask is None:
        mask = torch.ones_like(latent[:, :1])
    mask = mask.mean(dim=1, keepdim=True) if mask.ndim == 4 else mask.reshape(-1, 1, *mask.shape[-2:])
    return F.pixel_unshuffle(_fit(mask.to(latent), latent, PIXELS), PIXELS)


def _fit(tensor: Tensor, latent: Tensor, factor: int) -> Tensor:
    """``tensor`` at ``factor`` times the size of ``latent``, and of its batch."""
    height, width = (side * factor for side in latent.shape[-2:])
    if tensor.shape[-2:] != (height, width):
        tensor = resize(tensor, width, height, "bilinear", crop=True)
    return spread_batch(tensor, latent.shape[0])


def _bias(entry: Cond, scene: Scene) -> Tensor | None:
    """What a style adds to the attention's scores: float[1, tokens, tokens] of text and picture.

    A conditioning holds it as [1, text + 1, text + 1]: the last row and column stand for all of the picture.
    """
    bias = entry.extra.get("attention_mask")
    if bias is None or entry.extra.get("attention_mask_img_shape") is None:
        return None
    rows, columns = grid_size(scene.latent, PATCH)
    text = bias.shape[-1] - 1
    places = torch.cat([torch.arange(text), torch.full((rows * columns,), text)]).to(bias.device)
    spread: Tensor = bias[:, places][:, :, places].to(scene.latent.device)
    return spread


def input_channels(model: Model) -> int:
    """Of the latents that the network's first layer takes, which a LoRA may have widened."""
    variant: FluxVariant = model.variant
    shapes = (patch.shapes.get(_IMAGE_IN) for patch in model.weight_patches if isinstance(patch, LoraPatch))
    return max([variant.in_channels, *(shape[1] // PATCH**2 for shape in shapes if shape is not None)])
