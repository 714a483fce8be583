"""Encoders that turn pictures into tokens: CLIP's (Radford et al. 2021) and SigLIP's (Zhai et al. 2023)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, SiglipVisionConfig, SiglipVisionModel

from engine.errors import ModelUnreadable
from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.identity import what_it_is
from nodes.diffusion.text.clip_model import head_count
from nodes.diffusion.vision.open_clip import COLUMNS, ColumnProjection, from_open_clip, is_open_clip
from nodes.diffusion.weights import WeightFile, WeightView
from nodes.vision_values import ClipVision, ClipVisionOutput

CLIP_MEAN, CLIP_DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
EPS = 1e-5

_PATCHES = "vision_model.embeddings.patch_embedding.weight"
_POSITIONS = "vision_model.embeddings.position_embedding.weight"
_CLASS = "vision_model.embeddings.class_embedding"
_PROJECTION = "visual_projection.weight"
_SIGLIP_HEAD_WIDTH = 72  # of the published ones whose width is a multiple of it
_BIG_LAYERS = 24  # CLIP's encoders with more layers were trained with another activation
_BIG_HEADS = 16  # of these: 80 wide in ViT-H, 104 in ViT-bigG
_H_HEAD_WIDTH, _HEAD_WIDTH = 80, 64


def load_vision(path: Path) -> ClipVision:
    """A picture encoder from a file of its own. Raises ``ModelUnreadable`` where it is none."""
    return load_vision_of(path, "visual.", "", input="clip_name")


def load_vision_of(path: Path, *prefixes: str, input: str) -> ClipVision:
    """The picture encoder in a file, under the first of ``prefixes`` that there is, in Hugging Face's layout or
    OpenCLIP's. Raises ``ModelUnreadable`` (``input``) where there is none.
    """
    file = WeightFile(path)
    view = file.view(*prefixes)
    view = from_open_clip(view) if is_open_clip(view) else view
    if _PATCHES not in view or _POSITIONS not in view:
        raise ModelUnreadable(
            f"'{path.name}' holds no picture encoder that is known{what_it_is(file)}",
            input=input,
            remedy="take a CLIP or SigLIP vision model in Hugging Face's layout, or OpenCLIP's",
        )
    is_siglip = _CLASS not in view
    build = _siglip if is_siglip else _clip
    weights = Weights(f"vision:{content_key(view)}", lambda: build(view), f"{path.name} vision", release=file.release)
    halves = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return ClipVision(weights, _side_px(view), *(halves if is_siglip else (CLIP_MEAN, CLIP_DEVIATION)))


def encode(models: ModelStore, vision: ClipVision, pixels: Tensor, *, crop: bool) -> ClipVisionOutput:
    """What the encoder makes of pictures, float32[batch, height, width, 3 or 4] in 0..1; on the CPU.

    ``crop``: cut the middle out rather than stretch.
    """
    planes = prepared(pixels, vision, crop=crop)
    with torch.no_grad(), models.lease(vision.weights) as module:
        weight: Any = next(module.parameters())
        return _run(module, planes.to(weight.device, weight.dtype))


def prepared(pixels: Tensor, vision: ClipVision, *, crop: bool) -> Tensor:
    """The pictures as the encoder was trained on them: float32[batch, 3, side, side]."""
    planes, side = pixels[..., :3].movedim(-1, 1), vision.side_px
    height, width = planes.shape[-2:]
    if (height, width) != (side, side):
        scale = side / min(height, width)
        size = (round(scale * height), round(scale * width)) if crop else (side, side)
        planes = F.interpolate(planes, size=size, mode="bicubic", antialias=True)
        top, left = ((length - side) // 2 for length in planes.shape[-2:])
        planes = planes[..., top : top + side, left : left + side]
    planes = (255.0 * planes).clamp(0, 255).round() / 255.0
    mean, deviation = (planes.new_tensor(each).view(3, 1, 1) for each in (vision.mean, vision.deviation))
    return (planes - mean) / deviation


def _run(module: Any, planes: Tensor) -> ClipVisionOutput:
    if isinstance(module, SiglipVisionModel):
        made = module(pixel_values=planes, output_hidden_states=True)
        last = made.last_hidden_state
        return _output(last, made.hidden_states[-2], last)
    made = module.vision_model(pixel_values=planes, output_hidden_states=True)
    return _output(made.last_hidden_state, made.hidden_states[-2], module.visual_projection(made.pooler_output))


def _output(*tensors: Tensor) -> ClipVisionOutput:
    return ClipVisionOutput(*(tensor.float().cpu() for tensor in tensors))


def _side_px(view: WeightView) -> int:
    tokens = view.shape(_POSITIONS)[0] - (_CLASS in view)
    # The published SigLIP of 27 x 27 patches was trained on pictures 6 px wider than these.
    side = math.isqrt(tokens) * view.shape(_PATCHES)[-1]
    return 384 if _CLASS not in view and side == 378 else side


def _dimensions(view: WeightView) -> dict[str, Any]:
    width, channels, _, patch = view.shape(_PATCHES)
    return {
        "hidden_size": width,
        "intermediate_size": view.shape("vision_model.encoder.layers.0.mlp.fc1.weight")[0],
        "num_hidden_layers": view.count("vision_model.encoder.layers"),
        "num_attention_heads": _heads(view, width),
        "num_channels": channels,
        "image_size": _side_px(view),
        "patch_size": patch,
        "layer_norm_eps": EPS,
        "attn_implementation": "sdpa",
    }


def _heads(view: WeightView, width: int) -> int:
    if _CLASS not in view:
        return width // _SIGLIP_HEAD_WIDTH if width % _SIGLIP_HEAD_WIDTH == 0 else head_count(width)
    if view.count("vision_model.encoder.layers") > _BIG_LAYERS:
        return _BIG_HEADS
    return width // _H_HEAD_WIDTH if _is_big(view) else head_count(width)


def _is_big(view: WeightView) -> bool:
    """Whether a CLIP encoder is one of the big ones, or like them except for its depth."""
    width = view.shape(_PATCHES)[0]
    is_deep = view.count("vision_model.encoder.layers") > _BIG_LAYERS
    return is_deep or (width % _H_HEAD_WIDTH == 0 and width % _HEAD_WIDTH != 0)


def _siglip(view: WeightView) -> nn.Module:
    config = SiglipVisionConfig(**_dimensions(view), hidden_act="gelu_pytorch_tanh", vision_use_head=False)
    inner = view.renamed(
        {name.removeprefix("vision_model."): name for name in view if name.startswith("vision_model.")}
    )
    module: Any = assemble(lambda: SiglipVisionModel(config), inner)
    module.embeddings.position_ids = torch.arange(module.embeddings.num_positions)[None]
    return module  # type: ignore[no-any-return]


def _clip(view: WeightView) -> nn.Module:
    dimensions = _dimensions(view)
    activation = "gelu" if _is_big(view) else "quick_gelu"
    projected = view.shape(_PROJECTION)[0] if _PROJECTION in view else dimensions["hidden_size"]
    config = CLIPVisionConfig(**dimensions, hidden_act=activation, projection_dim=projected)

    def make() -> CLIPVisionModelWithProjection:
        module = CLIPVisionModelWithProjection(config)
        if COLUMNS in view:
            module.visual_projection = ColumnProjection(*view.shape(COLUMNS))
        elif _PROJECTION not in view:
            module.visual_projection = nn.Identity()
        return module

    module: Any = assemble(make, view)
    embeddings = module.vision_model.embeddings
    embeddings.position_ids = torch.arange(embeddings.num_positions)[None]
    return module  # type: ignore[no-any-return]
