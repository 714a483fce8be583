"""Files of the published adapters by preset: how they are called, and which picture encoder they were trained with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import InputInvalid
from nodes.diffusion.ip_adapter.layers import DEEP, SHALLOW, kind_of

_ENDING = r"\.(safetensors|bin)$"
_VIT_H = r"(ViT.H.14.*s32B.b79K|ipadapter.*sd15|sd1.?5.*model)\.(bin|safetensors)"
_VIT_G = r"(ViT.bigG.14.*39B.b160k|ipadapter.*sdxl|sdxl.*model)\.(bin|safetensors)"


@dataclass(frozen=True, slots=True)
class _Preset:
    """Patterns of the file's name for each kind of network, the first that one matches counts; of the encoder's."""

    sd: tuple[str, ...] = ()
    sdxl: tuple[str, ...] = ()
    encoder: str = _VIT_H


_PRESETS = {
    "LIGHT - SD1.5 only (low strength)": _Preset(("sd15.light.v11", "sd15.light")),
    "STANDARD (medium strength)": _Preset(("ip.adapter.sd15",), ("ip.adapter.sdxl.vit.h",)),
    "VIT-G (medium strength)": _Preset(("sd15.vit.g",), ("ip.adapter.sdxl",), _VIT_G),
    "PLUS (high strength)": _Preset(("ip.adapter.plus.sd15",), ("plus.sdxl.vit.h",)),
    "PLUS FACE (portraits)": _Preset(("plus.face.sd15",), ("plus.face.sdxl.vit.h",)),
    "FULL FACE - SD1.5 only (portraits stronger)": _Preset(("full.face.sd15",)),
}
PRESETS = tuple(_PRESETS)


def preset_files(preset: str, context_width: int, adapters: Sequence[str], encoders: Sequence[str]) -> tuple[str, str]:
    """Of the files that are there, the adapter's and the encoder's for a network with prompts of that width.

    Raises ``InputInvalid`` saying which file to put where.
    """
    known = _PRESETS[preset]
    patterns = {SHALLOW: known.sd, DEEP: known.sdxl}[kind_of(context_width)]
    if not patterns:
        raise InputInvalid(f"there is no '{preset}' for SDXL", input="preset", remedy="take another preset")
    adapter = next((found for each in patterns if (found := _matching(each + _ENDING, adapters))), None)
    encoder = _matching(known.encoder, encoders)
    for found, what, folder, name in (
        (adapter, "IP-Adapter", "ipadapter", patterns[0].replace(".", "-")),
        (encoder, "picture encoder", "clip_vision", "CLIP-ViT-" + ("bigG" if known.encoder == _VIT_G else "H") + "-14"),
    ):
        if found is None:
            raise InputInvalid(
                f"no file of the {what} of '{preset}' is there",
                input="preset",
                remedy=f"put one whose name has '{name}' into the models folder '{folder}'",
            )
    assert adapter is not None
    assert encoder is not None
    return adapter, encoder


def files_meant(preset: str, adapters: Sequence[str], encoders: Sequence[str]) -> tuple[list[str], list[str]]:
    """The adapters, by either kind of network, and the encoders of those files that a preset means."""
    known = _PRESETS[preset]
    found = [_matching(each + _ENDING, adapters) for each in (*known.sd, *known.sdxl)]
    encoder = _matching(known.encoder, encoders)
    return sorted({name for name in found if name is not None}), [] if encoder is None else [encoder]


def _matching(pattern: str, names: Sequence[str]) -> str | None:
    return next((name for name in names if re.search(pattern, name, re.IGNORECASE)), None)
