"""Builds CLIP text encoders around a file's own tensors, dimensions read from their shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from engine.errors import ModelUnreadable
from engine.weights import Weights
from nodes.diffusion.contents import content_key
from nodes.diffusion.text.clip_names import canonical
from nodes.diffusion.text.clip_network import ClipShape, ClipText
from nodes.diffusion.text.tokenizer import END
from nodes.diffusion.weights import WeightView

VOCABULARY_SIZE = END + 1
_TITLES = {"clip_l": "CLIP-L", "clip_h": "OpenCLIP ViT-H", "clip_g": "OpenCLIP bigG"}

_PROJECTION = "text_projection.weight"
_LAYER = re.compile(r"text_model\.encoder\.layers\.(\d+)\.mlp\.fc1\.weight")
_NO_ENCODER = "use a CLIP text encoder (CLIP-L, OpenCLIP ViT-H or bigG), as a safetensors file"


def load(view: WeightView, kind: str) -> Weights:
    """A handle to the text encoder in ``view``, for the model store. Equal contents have equal keys."""
    file = view.file
    return Weights(
        f"text_{kind}:{content_key(view)}",
        lambda: text_encoder_from_state_dict(view, kind, file.path.name),
        f"{file.path.name} text encoder {_TITLES[kind]}",
        patched_as_stored=True,
        release=file.release,
    )


def text_encoder_from_state_dict(tensors: Mapping[str, Tensor], kind: str, source: str = "") -> ClipText:
    """A CLIP text encoder with these tensors as parameters, not copied, on the CPU.

    ``tensors``: one encoder, in Hugging Face's or OpenCLIP's layout, any prefix. Without a projection among them
    ``text_projection`` is the identity. Raises ``ModelUnreadable`` naming what is missing or misshapen.
    """
    found = canonical(tensors)
    shape = text_shape(found, kind, source)
    with torch.device("meta"):
        module = ClipText(shape)
    if _PROJECTION not in found:
        module.text_projection = nn.Identity()
    _check(module, found, source)
    module.load_state_dict({name: found[name] for name in module.state_dict()}, assign=True)
    return module.requires_grad_(False).eval()


def text_shape(tensors: Mapping[str, Tensor], kind: str, source: str = "") -> ClipShape:
    """The dimensions that ``tensors`` (under transformers' names) have, and the activation that ``kind`` has."""
    layers = [int(found[1]) for found in map(_LAYER.fullmatch, tensors) if found]
    try:
        vocabulary_size, width = tensors["text_model.embeddings.token_embedding.weight"].shape
        positions = tensors["text_model.embeddings.position_embedding.weight"].shape[0]
        mlp_width = tensors["text_model.encoder.layers.0.mlp.fc1.weight"].shape[0]
    except (KeyError, ValueError) as error:
        raise ModelUnreadable(f"'{source}' holds no complete CLIP text encoder", remedy=_NO_ENCODER) from error
    if vocabulary_size < VOCABULARY_SIZE:
        raise ModelUnreadable(
            f"'{source}' knows {vocabulary_size} tokens, CLIP has {VOCABULARY_SIZE}", remedy=_NO_ENCODER
        )
    return ClipShape(
        vocabulary=vocabulary_size,
        positions=positions,
        width=width,
        mlp_width=mlp_width,
        layers=max(layers) + 1,
        heads=head_count(width),
        projection=tensors[_PROJECTION].shape[0] if _PROJECTION in tensors else width,
        activation="quick_gelu" if kind == "clip_l" else "gelu",
    )


def head_count(width: int) -> int:
    """Attention heads, which no tensor tells: published encoders have heads 64 wide, narrow ones up to 4 heads."""
    wanted = max(min(4, width // 16), width // 64, 1)
    return next(heads for heads in range(wanted, 0, -1) if width % heads == 0)


def _check(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    missing = [name for name in wanted if name not in tensors]
    if missing:
        raise ModelUnreadable(f"the text encoder in '{source}' lacks '{missing[0]}' and {len(missing) - 1} others")
    wrong = [name for name, shape in wanted.items() if tuple(tensors[name].shape) != shape]
    if wrong:
        shape = tuple(tensors[wrong[0]].shape)
        raise ModelUnreadable(f"the text encoder in '{source}' has an unexpected shape {shape} of '{wrong[0]}'")
