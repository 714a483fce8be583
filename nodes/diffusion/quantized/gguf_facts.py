"""The tensors of a GGUF file as those of any other: by their authors' names, each with how its bytes are read."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from engine.errors import ModelUnreadable
from nodes.diffusion.quantized.codings import GgufCoding
from nodes.diffusion.weight_header import TensorFact
from nodes.families.gguf_header import GgufHeader, GgufTensor
from nodes.families.gguf_names import PERMUTED_ARCHITECTURES, is_gemma_norm, published_names

_PLAIN: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
}


def gguf_facts(header: GgufHeader) -> dict[str, TensorFact]:
    """By published names; see :func:`nodes.families.gguf_names.published_names`."""
    names = published_names(header.architecture, header.tensors)
    return {names[name]: _fact(header, names[name], tensor) for name, tensor in header.tensors.items()}


def _fact(header: GgufHeader, published: str, tensor: GgufTensor) -> TensorFact:
    coding = GgufCoding(
        "" if tensor.kind in _PLAIN else tensor.kind,
        _interleaved_heads(header, published, tensor.shape),
        is_gemma_norm(header.architecture, published),
    )
    dtype = _PLAIN.get(tensor.kind, torch.float32)
    return TensorFact(dtype, tensor.shape, tensor.start, tensor.end, coding=None if coding == GgufCoding() else coding)


def _interleaved_heads(header: GgufHeader, published: str, shape: tuple[int, ...]) -> int:
    """Of how many heads the rows are, where their features are interleaved; else 0."""
    is_key = published.endswith("self_attn.k_proj.weight")
    if header.architecture not in PERMUTED_ARCHITECTURES:
        return 0
    if not is_key and not published.endswith("self_attn.q_proj.weight"):
        return 0
    said = f"{header.architecture}.attention.head_count"
    heads = header.metadata.get(f"{said}_kv" if is_key else said, header.metadata.get(said))
    if not isinstance(heads, int) or heads < 1 or shape[0] % (2 * heads):
        raise ModelUnreadable(
            f"model file '{header.path.name}': '{published}' has {shape[0]} rows, and the metadata says of "
            f"{heads!r} attention heads",
            remedy="fetch the file again, or take the model as safetensors",
        )
    return heads
