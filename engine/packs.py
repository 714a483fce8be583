"""Which pack a node class comes from, for remedies. ``packs.json`` is data from public workflows; not complete."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CORE = "ComfyUI"  # the pack of the classes that ComfyUI brings itself
CORE_ID = "comfy-core"  # what UI files call it


@dataclass(frozen=True, slots=True)
class _Packs:
    """Packs by class, and by how the names of their classes begin or end."""

    by_class: dict[str, str]
    beginnings: dict[str, str]
    endings: dict[str, str]


def pack_of(class_type: str) -> str:
    """The pack's name as ComfyUI's registry lists its repository; empty where it is not known."""
    known = _packs()
    if class_type in known.by_class:
        return known.by_class[class_type]
    begins = (pack for beginning, pack in known.beginnings.items() if class_type.startswith(beginning))
    ends = (pack for ending, pack in known.endings.items() if class_type.endswith(ending))
    return next(begins, next(ends, ""))


@cache
def _packs() -> _Packs:
    document = json.loads(Path(__file__).with_name("packs.json").read_text(encoding="utf-8"))
    by_class = {name: pack for pack, names in document["classes"].items() for name in names}
    return _Packs(by_class, document["beginnings"], document["endings"])
