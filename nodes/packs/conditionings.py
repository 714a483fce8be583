"""CONDITIONING as packs know it: a list of pairs, an encoded prompt and a dictionary of what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from torch import Tensor

from nodes.values import Area, Cond, Conditioning

# ComfyUI's keys by our fields, where they mean the same.
_KEYS: Mapping[str, str] = {
    "pooled": "pooled_output",
    "strength": "strength",
    "mask": "mask",
    "mask_strength": "mask_strength",
    "set_area_to_bounds": "set_area_to_bounds",
    "start_percent": "start_percent",
    "end_percent": "end_percent",
    "control": "control",
    "control_apply_to_uncond": "control_apply_to_uncond",
    "concat_latent": "concat_latent_image",
    "concat_mask": "concat_mask",
    "default": "default",
}
_SIZES = ("width", "height", "crop_w", "crop_h", "target_width", "target_height", "aesthetic_score")
_DEFAULTS = {field.name: field.default for field in fields(Cond) if field.name in _KEYS}
# The entry that a pair was made of. Dictionaries are copied by packs, and this goes with them.
_ENTRY = "_dagfusion"


def is_one(value: Any) -> bool:
    """Whether a pack's value is a CONDITIONING: a list of pairs of a tensor and a dictionary."""
    return isinstance(value, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], Tensor) and isinstance(pair[1], dict)
        for pair in value
    )


def to_theirs(value: Conditioning) -> list[list[Any]]:
    """Each entry as a pair; fields that have their defaults are left out."""
    return [[entry.context, _options(entry)] for entry in value.entries]


def _options(entry: Cond) -> dict[str, Any]:
    made: dict[str, Any] = {**entry.extra, **entry.size, _ENTRY: entry}
    for name, key in _KEYS.items():
        value = getattr(entry, name)
        if name == "pooled" or value is not _DEFAULTS[name]:
            made[key] = value
    if entry.area is not None:
        area = entry.area
        sides = (area.height, area.width, area.y, area.x)
        made["area"] = sides if area.unit == "latent" else ("percentage", *sides)
    return made


def to_ours(value: Any) -> Conditioning:
    """Each pair as an entry: what the dictionary says now, on top of what the entry that it came from had."""
    return Conditioning(tuple(_entry(context, options) for context, options in value))


def _entry(context: Tensor, options: Mapping[str, Any]) -> Cond:
    base = options.get(_ENTRY)
    entry = base if isinstance(base, Cond) else Cond(context)
    known = {*_KEYS.values(), *_SIZES, "area", _ENTRY}
    changes: dict[str, Any] = {name: options.get(key, _DEFAULTS[name]) for name, key in _KEYS.items()}
    return replace(
        entry,
        context=context,
        area=_area(options.get("area")),
        size={key: options[key] for key in _SIZES if key in options},
        extra={key: item for key, item in options.items() if key not in known},
        **changes,
    )


def _area(value: Any) -> Area | None:
    if value is None or isinstance(value, Area):
        return value
    if value[0] == "percentage":
        height, width, y, x = value[1:5]
        return Area(height, width, y, x, unit="fraction")
    return Area(*value[:4])
