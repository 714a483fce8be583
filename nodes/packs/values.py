"""Our values as ComfyUI's packs know them, and back: tensors, dictionaries, lists of pairs, objects with methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from engine.types import Absent, Audio, Image, Mask, Video
from nodes.packs import conditionings, objects
from nodes.sampling_values import Sigmas
from nodes.values import Conditioning, Latent

_LATENT_KEYS = ("samples", "noise_mask", "batch_index")


@dataclass(slots=True)
class CallInputs:
    """What one call was given, so that what it hands on unchanged is known for what it was."""

    _ours: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def converted(self, value: Any) -> Any:
        """The value as a pack knows it; lists item by item. Tensors are copies: packs may write into them."""
        if isinstance(value, list):
            return [self.converted(item) for item in value]
        made = to_theirs(value)
        if made is not value:
            self._ours[id(made)] = (made, value)
        return made

    def before(self, value: Any) -> Any:
        """What ``value`` was before it was converted, if it is one that was given as it is now; else ``None``."""
        known = self._ours.get(id(value))
        return None if known is None or not isinstance(value, Tensor) else known[1]


def to_theirs(value: Any) -> Any:
    """One value as ComfyUI's nodes hand it to each other."""
    convert = _THEIRS.get(type(value)) or objects.WRAPPERS.get(type(value))
    return value if convert is None else convert(value)


def to_ours(value: Any, wire: str, given: CallInputs) -> Any:
    """One value that a pack made, as our nodes read it. ``wire``: what the pack says it is."""
    if isinstance(value, objects.Wrapped):
        return value.ours
    read = _READERS.get(wire)
    if read is not None:
        return read(value, given)
    if isinstance(value, Tensor):
        return _tensor(value, given)
    if isinstance(value, Mapping) and isinstance(value.get("samples"), Tensor):
        return latent_to_ours(value)
    if isinstance(value, Mapping) and isinstance(value.get("waveform"), Tensor):
        return _audio(value, given)
    return conditionings.to_ours(value) if conditionings.is_one(value) else value


def image_to_ours(value: Any, _: CallInputs | None = None) -> Any:
    """A tensor [batch, height, width, channels] (or one picture) as our pictures."""
    if not isinstance(value, Tensor):
        return value
    pixels = value.detach().to("cpu", torch.float32)
    pixels = pixels.unsqueeze(0) if pixels.ndim == 3 else pixels
    return Image(pixels.expand(*pixels.shape[:3], 3) if pixels.shape[-1] == 1 else pixels)


def mask_to_ours(value: Any, _: CallInputs | None = None) -> Any:
    """A tensor [batch, height, width] (or one mask) as our masks."""
    if not isinstance(value, Tensor):
        return value
    values = value.detach().to("cpu", torch.float32)
    if values.ndim == 2:
        values = values.unsqueeze(0)
    return Mask(values.squeeze(1) if values.ndim == 4 else values)


def latent_to_ours(value: Any, _: CallInputs | None = None) -> Any:
    """A dictionary with ``samples`` as our latent; keys that we do not know stay with it."""
    if not isinstance(value, Mapping) or not isinstance(value.get("samples"), Tensor):
        return value
    before = value.get(_KEPT)
    samples: Tensor = value["samples"]
    mask, batch = value.get("noise_mask"), value.get("batch_index")
    extra = {key: item for key, item in value.items() if key not in (*_LATENT_KEYS, _KEPT)}
    mask = mask.detach().to("cpu", torch.float32) if isinstance(mask, Tensor) else None
    made = Latent(samples.detach().to("cpu", torch.float32), mask, None if batch is None else tuple(batch), extra)
    if isinstance(before, Latent) and before.samples.shape[1:] == made.samples.shape[1:]:
        return replace(made, space=before.space if not bool(made.samples.any()) else None, others=before.others)
    return made


_KEPT = "_dagfusion"


def _latent(value: Latent) -> dict[str, Any]:
    made: dict[str, Any] = {**value.extra, "samples": value.samples.clone(), _KEPT: value}
    if value.noise_mask is not None:
        made["noise_mask"] = value.noise_mask.clone()
    if value.batch_index is not None:
        made["batch_index"] = list(value.batch_index)
    return made


def _tensor(value: Tensor, given: CallInputs) -> Any:
    before = given.before(value)
    if before is not None:
        return Mask(value) if isinstance(before, Mask) else Image(value) if isinstance(before, Image) else before
    if value.ndim == 4 and value.shape[-1] in (1, 3, 4):
        return image_to_ours(value)
    return mask_to_ours(value) if value.ndim == 3 else value


def _audio(value: Any, _: CallInputs) -> Any:
    if not isinstance(value, Mapping) or not isinstance(value.get("waveform"), Tensor):
        return value
    return Audio(value["waveform"].detach().to("cpu", torch.float32), int(value["sample_rate"]))


def _sigmas(value: Any, _: CallInputs) -> Any:
    return Sigmas(value.detach().to("cpu", torch.float32)) if isinstance(value, Tensor) else value


def _video(value: Any, _: CallInputs) -> Any:
    return value if not hasattr(value, "get_components") or isinstance(value, Video) else objects.video_to_ours(value)


def _number(kind: type) -> Any:
    def read(value: Any, _: CallInputs) -> Any:
        return kind(value) if hasattr(value, "item") or isinstance(value, bool | int | float) else value

    return read


_THEIRS: Mapping[type, Callable[[Any], Any]] = {
    Image: lambda value: value.pixels.clone(),
    Mask: lambda value: value.values.clone(),
    Latent: _latent,
    Audio: lambda value: {"waveform": value.waveform.clone(), "sample_rate": value.sample_rate_hz},
    Conditioning: conditionings.to_theirs,
    Sigmas: lambda value: value.values.clone(),
    Absent: lambda _: None,
}
_READERS: Mapping[str, Any] = {
    "IMAGE": image_to_ours,
    "MASK": mask_to_ours,
    "LATENT": latent_to_ours,
    "AUDIO": _audio,
    "SIGMAS": _sigmas,
    "VIDEO": _video,
    "CONDITIONING": lambda value, _: conditionings.to_ours(value) if conditionings.is_one(value) else value,
    "INT": _number(int),
    "FLOAT": _number(float),
    "BOOLEAN": _number(bool),
}
