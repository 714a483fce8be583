"""Writes the tiny random models of the recorded families: a book of shapes becomes files in their public layouts.

An entry of a book says of one file: ``seed`` of one NumPy PCG64 stream, drawn in the order of ``shapes``, so that every
machine gets the same bits; ``gain`` of matrices (standard deviation gain / sqrt(fan-in)); ``fill``, rules
[pattern, kind, value] of which the first whose pattern is found in a name wins; ``dtype`` (float16, or as said);
``metadata``, the header's texts; ``bytes``, base64 by name: a tokenizer inside the file; ``like``, the shapes, gain and
fill of another entry; ``parts``, [[prefix, entry, {name: whole name}], ...]: a file put together from other entries;
``store``, [[pattern, dtype], ...]: other formats for the tensors that match; ``quant``, weights as float8 with a scale
each, laid out as ``comfy_quant``, ``metadata`` or ``scaled_fp8`` say; ``fp8``, matrices as float8 with one scale.
"""

from __future__ import annotations

import base64
import json
import lzma
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

Book = Mapping[str, Mapping[str, Any]]
BOOK = Path(__file__).parent / "models.json.xz"
FLOAT8_MAX = 448

_EMBEDDING = re.compile(r"(^|[._])(token_embedding|embed_tokens|shared|embedding|emb)[._]?(weight|params)?$")
_FILE_NAME = re.compile(r"\.(safetensors|sft|pt)$")


def write(book: Path, folder: Path, names: Iterable[str] | None = None) -> Path:
    """The files of ``book`` (all, or those of the file names ``names``) under ``folder``, which is returned."""
    entries = read_book(book)
    wanted = None if names is None else set(names)
    for name, entry in entries.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if wanted is None or path.name in wanted:
            tensors, header = _stored(_drawn(entries, entry), entry)
            save_file(tensors, path, metadata={**entry.get("metadata", {}), **header} or None)
    return folder


def read_book(book: Path) -> Book:
    """The entries of a book by file, plain or compressed."""
    text = lzma.decompress(book.read_bytes()) if book.suffix == ".xz" else book.read_bytes()
    found: Book = json.loads(text)
    return found


def named_in(graphs: Iterable[Mapping[str, Any]]) -> set[str]:
    """The names of model files that workflows give."""
    inputs = [value for graph in graphs for node in graph.values() for value in node["inputs"].values()]
    return {value for value in inputs if isinstance(value, str) and _FILE_NAME.search(value)}


def _drawn(book: Book, entry: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The arrays of one entry, before any other storage."""
    if "parts" in entry:
        return {
            (keys[0].get(key, prefix + key) if keys else prefix + key): array
            for prefix, name, *keys in entry["parts"]
            for key, array in _drawn(book, book[name]).items()
        }
    if "like" in entry:
        entry = {**book[entry["like"]], **entry}
    stream = np.random.Generator(np.random.PCG64(entry["seed"]))
    dtype = "float32" if entry.get("dtype") == "bfloat16" else entry.get("dtype", "float16")
    found = {key: _tensor(stream, key, tuple(shape), entry, dtype) for key, shape in entry["shapes"].items()}
    texts = {key: np.frombuffer(base64.b64decode(text), np.uint8) for key, text in entry.get("bytes", {}).items()}
    return found | texts


def _tensor(
    stream: np.random.Generator, name: str, shape: tuple[int, ...], entry: Mapping[str, Any], dtype: str
) -> NDArray[Any]:
    return np.asarray(_shaped(stream.standard_normal(shape), name, shape, entry), dtype=dtype)


def _shaped(drawn: Any, name: str, shape: tuple[int, ...], entry: Mapping[str, Any]) -> Any:
    for pattern, kind, value in entry.get("fill", []):
        if re.search(pattern, name):
            return {"normal": value * drawn, "around1": 1 + value * drawn, "const": np.full(shape, value)}[kind]
    if name.endswith(".alpha"):
        return np.full(shape, 2.0)
    if len(shape) <= 1:
        return 1 + 0.1 * drawn if name.endswith(("weight", "scale", "gamma")) else 0.05 * drawn
    if _EMBEDDING.search(name):
        return 0.4 * drawn
    return drawn * entry.get("gain", 1.0) / math.sqrt(math.prod(shape[1:]))


def _stored(arrays: Mapping[str, NDArray[Any]], entry: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors in the formats that an entry asks for, and what the header says of them."""
    if "fp8" in entry:
        return _scaled(arrays, entry["fp8"]), {}
    found: dict[str, Tensor] = {}
    layers: dict[str, dict[str, str]] = {}
    quant = entry.get("quant")
    for name, array in arrays.items():
        tensor = torch.from_numpy(array.copy())
        if quant and re.search(quant["tensors"], name):
            layer = name.removesuffix(".weight")
            layers[layer] = {"format": "float8_e4m3fn"}
            found |= _quantized(name, tensor, quant)
            continue
        rules = [dtype for pattern, dtype in entry.get("store", []) if re.search(pattern, name)]
        dtype = rules[0] if rules else entry.get("dtype") if tensor.dtype != torch.uint8 else None
        found[name] = tensor.to(getattr(torch, dtype)) if dtype else tensor
    if quant and quant["layout"] == "scaled_fp8":
        found["scaled_fp8"] = torch.empty(0, dtype=torch.float8_e4m3fn)
    if quant and quant["layout"] == "metadata":
        return found, {"_quantization_metadata": json.dumps({"format_version": "1.0", "layers": layers})}
    return found, {}


def _quantized(name: str, tensor: Tensor, quant: Mapping[str, Any]) -> dict[str, Tensor]:
    """A weight as float8 and its scale, with what else its layout has beside it."""
    layer, scale = name.removesuffix(".weight"), tensor.float().abs().max() / FLOAT8_MAX
    is_old = quant["layout"] == "scaled_fp8"
    found = {
        name: (tensor.float() / scale).clamp(-FLOAT8_MAX, FLOAT8_MAX).to(torch.float8_e4m3fn),
        f"{layer}.{'scale_weight' if is_old else 'weight_scale'}": scale,
    }
    if "input_scale" in quant:
        key = f"{layer}.{'scale_input' if is_old else 'input_scale'}"
        found[key] = torch.tensor(float(quant["input_scale"]))
    if quant["layout"] == "comfy_quant":
        text = json.dumps({"format": "float8_e4m3fn"}).encode()
        found[f"{layer}.comfy_quant"] = torch.tensor(list(text), dtype=torch.uint8)
    return found


def _scaled(arrays: Mapping[str, NDArray[Any]], rule: Mapping[str, Any]) -> dict[str, Tensor]:
    """The matrices that ``rule`` matches as float8 with its scale, and the marker of the files that have it so."""
    found = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    scale = torch.tensor(float(rule["scale"]))
    for name, tensor in list(found.items()):
        if tensor.ndim == 2 and re.search(rule["match"], name):
            found[name] = (tensor.float() / scale).to(torch.float8_e4m3fn)
            found[f"{name.removesuffix('.weight')}.scale_weight"] = scale.clone()
    found["scaled_fp8"] = torch.zeros(rule["marker"]).to(torch.float8_e4m3fn)
    return found
