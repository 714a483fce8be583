"""``comfy.utils``, weights: files of tensors by name, and modules' parts by dotted names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def load_torch_file(
    ckpt: Any, safe_load: bool = False, device: Any = None, return_metadata: bool = False, **_: Any
) -> Any:
    """The tensors of a file, by name: safetensors, or pickled weights without code."""
    path, where = Path(ckpt), str(device or "cpu")
    metadata: Mapping[str, str] | None = None
    if path.suffix.lower() in (".safetensors", ".sft"):
        from safetensors import safe_open

        with safe_open(path, framework="pt", device=where) as file:
            loaded: Any = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
    else:
        loaded = torch.load(path, map_location=where, weights_only=True)
        loaded = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    return (loaded, metadata) if return_metadata else loaded


def save_torch_file(sd: Mapping[str, Tensor], ckpt: Any, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors."""
    from safetensors.torch import save_file

    save_file(dict(sd), ckpt, metadata=None if metadata is None else dict(metadata))


def calculate_parameters(sd: Mapping[str, Tensor], prefix: str = "") -> int:
    """How many numbers the tensors under a prefix hold."""
    return sum(tensor.nelement() for name, tensor in sd.items() if name.startswith(prefix))


def weight_dtype(sd: Mapping[str, Tensor], prefix: str = "") -> torch.dtype | None:
    """The type that most of the numbers have."""
    counts: dict[torch.dtype, int] = {}
    for name, tensor in sd.items():
        if name.startswith(prefix):
            counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.numel()
    return max(counts, key=counts.__getitem__) if counts else None


def state_dict_prefix_replace(sd: dict[str, Any], replace_prefix: Mapping[str, str], filter_keys: bool = False) -> Any:
    """The tensors with prefixes of their names replaced; with ``filter_keys`` only those."""
    out: dict[str, Any] = {} if filter_keys else sd
    for old, new in replace_prefix.items():
        for name in [name for name in sd if name.startswith(old)]:
            out[new + name[len(old) :]] = sd.pop(name)
    return out


def get_attr(obj: Any, attr: str) -> Any:
    """An attribute by a dotted name."""
    for name in attr.split("."):
        obj = getattr(obj, name)
    return obj


def set_attr(obj: Any, attr: str, value: Any) -> Any:
    """Set an attribute by a dotted name; returns what was there."""
    *path, last = attr.split(".")
    for name in path:
        obj = getattr(obj, name)
    before = getattr(obj, last)
    setattr(obj, last, value)
    return before


def set_attr_param(obj: Any, attr: str, value: Tensor) -> Any:
    """Set a parameter by a dotted name."""
    return set_attr(obj, attr, torch.nn.Parameter(value, requires_grad=False))
