"""Any value as the text that ComfyUI shows for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import lazy_loader as lazy

from engine.types import Audio, Image, Mask
from nodes.sampling_values import Sigmas
from nodes.values import Conditioning, Latent

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

EDGE_ITEMS = 6
"""How many numbers of a large tensor are written at each end of an axis."""

_printing = Lock()  # torch keeps how it prints for the whole process


def as_text(value: object) -> str:
    """Strings as they are, numbers as Python writes them, what JSON can hold as JSON, tensors as torch prints them."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        return str(value)
    try:
        return json.dumps(value, indent=4, ensure_ascii=False)
    except (TypeError, ValueError):
        return _printed(_plain(value))


def _printed(value: object) -> str:
    with _printing, torch._tensor_str.printoptions(edgeitems=EDGE_ITEMS):
        return str(value)


def _plain(value: Any) -> object:
    """``value`` in the shapes that ComfyUI's nodes hand around; what has none by the name of its type on the wire."""
    shape = next((shape for kind, shape in _SHAPES.items() if isinstance(value, kind)), None)
    if shape is not None:
        return shape(value)
    wire = getattr(value, "wire", None)
    return _Name(wire) if isinstance(wire, str) else value


def _latent(value: Latent) -> dict[str, object]:
    fields = {"samples": value.samples, "noise_mask": value.noise_mask, "batch_index": value.batch_index}
    return {name: field for name, field in fields.items() if field is not None} | dict(value.extra)


_SHAPES: Mapping[type, Callable[[Any], object]] = {
    Image: lambda value: value.pixels,
    Mask: lambda value: value.values,
    Sigmas: lambda value: value.values,
    Latent: _latent,
    Audio: lambda value: {"waveform": value.waveform, "sample_rate": value.sample_rate_hz},
    Conditioning: lambda value: [[entry.context, {"pooled_output": entry.pooled}] for entry in value.entries],
    list: lambda value: [_plain(item) for item in value],
    tuple: lambda value: [_plain(item) for item in value],
    dict: lambda value: {key: _plain(item) for key, item in value.items()},
}


@dataclass(frozen=True, slots=True)
class _Name:
    """A type's name, written without quotes."""

    wire: str

    def __repr__(self) -> str:
        return f"<{self.wire}>"
