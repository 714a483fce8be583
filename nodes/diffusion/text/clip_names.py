"""Names of a CLIP text encoder's tensors in published files, brought to the ones transformers uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from engine.errors import ModelUnreadable

_HF_ANCHOR = "embeddings.token_embedding.weight"
_OPENCLIP_ANCHOR = "token_embedding.weight"
_HF_MODEL = "text_model."
_OPENCLIP_NAMES = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_OPENCLIP_PARTS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
_OPENCLIP_LAYER = re.compile(r"transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)")


def canonical(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors under ``text_model.*`` and ``text_projection.weight``, backed by the same memory.

    ``tensors`` may have any prefix and be in Hugging Face's layout (with or without ``text_model.``) or OpenCLIP's;
    what belongs to neither is left out. Raises ``ModelUnreadable`` where there is no encoder.
    """
    anchors = sorted((name for name in tensors if name.endswith(_OPENCLIP_ANCHOR)), key=len)
    if not anchors:
        raise ModelUnreadable("there is no CLIP text encoder: no token embedding is among the tensors")
    anchor = anchors[0]
    if anchor.endswith(_HF_ANCHOR):
        found = _hugging_face(tensors, anchor.removesuffix(_HF_ANCHOR))
    else:
        found = _openclip(tensors, anchor.removesuffix(_OPENCLIP_ANCHOR))
    return found


def _hugging_face(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    parts = ("embeddings.", "encoder.", "final_layer_norm.")
    names = {name: name[len(prefix) :] for name in tensors if name.startswith(prefix)}
    found = {_HF_MODEL + short: tensors[name] for name, short in names.items() if short.startswith(parts)}
    found.pop(_HF_MODEL + "embeddings.position_ids", None)
    root = prefix.removesuffix(_HF_MODEL)
    if (projection := root + "text_projection.weight") in tensors:
        found["text_projection.weight"] = tensors[projection]
    return found


def _openclip(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name in tensors:
        short = name.removeprefix(prefix)
        if short in _OPENCLIP_NAMES:
            found[_HF_MODEL + _OPENCLIP_NAMES[short]] = tensors[name]
        elif layer := _OPENCLIP_LAYER.fullmatch(short):
            place = f"{_HF_MODEL}encoder.layers.{layer[1]}."
            found |= {place + part: tensor for part, tensor in _layer_tensors(layer[2], layer[3], tensors[name])}
    # OpenCLIP multiplies by its projection from the right, a linear layer by its transpose.
    for ending, turn in _PROJECTIONS.items():
        if prefix + ending in tensors:
            found["text_projection.weight"] = turn(tensors[prefix + ending])
    return found


_PROJECTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "text_projection": lambda matrix: matrix.t().contiguous(),
    "text_projection.weight": lambda matrix: matrix,
}


def _layer_tensors(part: str, kind: str, tensor: Tensor) -> list[tuple[str, Tensor]]:
    if part == "attn.in_proj":
        split = tensor.chunk(3)
        return [(f"self_attn.{name}_proj.{kind}", piece) for name, piece in zip("qkv", split, strict=True)]
    return [(f"{_OPENCLIP_PARTS[part]}.{kind}", tensor)] if part in _OPENCLIP_PARTS else []
