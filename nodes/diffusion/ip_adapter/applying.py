"""Pictures into a model's prompt by an IP-Adapter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from engine.errors import InputInvalid
from engine.model_store import ModelStore
from nodes.diffusion import vision
from nodes.diffusion.ip_adapter.layers import factor, is_turned, reached
from nodes.diffusion.ip_adapter.patch import KeysOfPictures, PicturePrompt, Place, ScaledBy, scaled
from nodes.diffusion.ip_adapter.projections import reads_summary
from nodes.hooks import NetworkPatches
from nodes.values import Model
from nodes.vision_values import ClipVision, ClipVisionOutput, IpAdapter

CombinedBy = Literal["concat", "add", "subtract", "average", "norm average"]


@dataclass(frozen=True, slots=True)
class How:
    """How pictures become part of the prompt. ``progress``: from which part of the sampling to which, 0..1."""

    weight: float = 1.0
    weight_type: str = "linear"
    combined_by: CombinedBy = "concat"
    scaled_by: ScaledBy = "V only"
    progress: tuple[float, float] = (0.0, 1.0)


def apply(
    models: ModelStore,
    model: Model,
    adapter: IpAdapter,
    encoder: ClipVision,
    pixels: Tensor,
    how: How,
    *,
    negative: Tensor | None = None,
    mask: Tensor | None = None,
) -> Model:
    """The model with these pictures beside its prompts.

    ``pixels`` and ``negative`` (what to be unlike, black by default): float32[pictures, height, width, 3] in 0..1;
    ``mask``: float32[masks, height, width], where in the picture. Raises ``InputInvalid`` where they do not fit.
    """
    _check(models, model, adapter)
    black = torch.zeros(1, encoder.side_px, encoder.side_px, 3)
    seen = vision.encode(models, encoder, pixels, crop=True)
    unlike = vision.encode(models, encoder, black if negative is None else negative, crop=True)
    with torch.no_grad(), models.lease(adapter.weights) as network:
        projection: Any = network.image_proj
        positive, opposite = _read(projection, seen), _read(projection, unlike)
        if reads_summary(projection) and negative is None:
            opposite = torch.zeros_like(positive)
        positive, opposite = _combined(positive, _sized(opposite, len(positive)), how.combined_by)
        pair = [_tokens(network, each) for each in (positive, opposite)]
        tokens = _by_place(network, adapter.kind, torch.cat(pair), how)
    start, end = how.progress
    sigmas = (model.parameterization.percent_to_sigma(start), model.parameterization.percent_to_sigma(end))
    return model.with_patches(NetworkPatches(cross_attention=(PicturePrompt(tokens, sigmas, mask),)))


def context_width(models: ModelStore, model: Model) -> int:
    """How wide the tokens of the model's prompts are. Raises ``InputInvalid`` where it is no UNet."""
    shapes = models.shapes(model.weights)
    found = next((shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight")), None)
    if found is None:
        raise InputInvalid(
            f"IP-Adapters are for UNets, and {model.family.title} has none",
            input="model",
            remedy="take a model of SD1.5 or SDXL",
        )
    return found


def _check(models: ModelStore, model: Model, adapter: IpAdapter) -> None:
    width = context_width(models, model)
    if width != adapter.context_width:
        raise InputInvalid(
            f"this IP-Adapter is for prompts {adapter.context_width} wide, and the model's are {width} wide",
            input="ipadapter",
            remedy="take the one for the model's family (SD1.5 or SDXL)",
        )


def _read(projection: nn.Module, seen: ClipVisionOutput) -> Tensor:
    """What the projection takes of what was seen, on its device."""
    taken = seen.summary if reads_summary(projection) else seen.penultimate_hidden
    weight = next(projection.parameters())
    taken = taken.to(weight.device, weight.dtype)
    width = next(part.in_features for part in projection.modules() if isinstance(part, nn.Linear))
    if taken.shape[-1] != width:
        raise InputInvalid(
            f"this IP-Adapter reads what an encoder {width} wide sees, and this one is {taken.shape[-1]} wide",
            input="clip_vision",
            remedy="take the picture encoder that it was trained with: CLIP ViT-H, or ViT-bigG",
        )
    return taken


def _sized(seen: Tensor, count: int) -> Tensor:
    """As many as ``count``, the last one again where there are too few."""
    return torch.cat([seen[:count], seen[-1:].expand(max(count - len(seen), 0), *seen.shape[1:])])


def _combined(positive: Tensor, opposite: Tensor, by: CombinedBy) -> tuple[Tensor, Tensor]:
    if by == "concat" or len(positive) == 1:
        return positive, opposite
    if by == "add":
        made = positive.sum(dim=0)
    elif by == "subtract":
        made = positive[0] - positive[1:].mean(dim=0)
    elif by == "average":
        made = positive.mean(dim=0)
    else:
        made = (positive / positive.norm(dim=0, keepdim=True)).mean(dim=0)
    return made[None], opposite[:1]


def _tokens(network: Any, seen: Tensor) -> Tensor:
    """Tokens of all pictures in one row, [1, tokens, width]."""
    made: Tensor = network.image_proj(seen)
    return made.flatten(0, 1)[None]


def _by_place(network: Any, kind: int, pair: Tensor, how: How) -> dict[Place, KeysOfPictures]:
    """Keys and values for each attention that is reached; ``pair``: tokens for positive and for negative prompts."""
    found: dict[Place, KeysOfPictures] = {}
    for layer in reached(kind):
        weight = how.weight * factor(how.weight_type, kind, layer)
        if weight == 0 or str(layer.number) not in network.ip_adapter:
            continue
        part = network.ip_adapter[str(layer.number)]
        given = torch.stack([pair[0] * 0, pair[0]]) if is_turned(how.weight_type, kind, layer) else pair
        made = KeysOfPictures(*(project(given).float().cpu() for project in (part.to_k_ip, part.to_v_ip)))
        found[(layer.stage, layer.block, layer.depth)] = scaled(made, weight, how.scaled_by)
    return found
