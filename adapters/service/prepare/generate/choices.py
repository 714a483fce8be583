"""Which model files to take where the parameters name none, and what their headers say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.service.prepare.generate.parameters import ControlType
from engine.errors import ModelMissing
from engine.folders import Folders

_UNET_IN = "model.diffusion_model.input_blocks.0.0.weight"
_MARKS = (("conditioner.embedders.", 1024), ("cond_stage_model.model.", 768))
_NARROWEST_CHANNELS = 128  # a network narrower than any that was released is a toy, drawn with small pictures
_UNION = "union"


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """``side_px``: what pictures it was trained on; ``inpainting``: it has channels for a mask."""

    side_px: int = 512
    inpainting: bool = False


def checkpoint_facts(path: Path) -> CheckpointFacts:
    """By the file's header; the usual ones where it has none that can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys()
            shape = file.get_slice(_UNET_IN).get_shape() if _UNET_IN in names else [320, 4]
            side_px = _declared_side(file.metadata() or {}) or _usual_side(names, shape[0])
    except (SafetensorError, OSError):
        return CheckpointFacts()
    return CheckpointFacts(side_px, inpainting=shape[1] == 9)


def chosen(folders: Folders, kind: str, wanted: str | None, preferred: Sequence[str] = ()) -> str:
    """The wanted file, else the first that is ``preferred``, else the first. Raises ``ModelMissing`` for none."""
    if wanted is not None:
        return wanted
    here = folders.files(kind)
    found = next((name for name in [*preferred, *here] if name in here), None)
    if found is None:
        raise ModelMissing(f"no model was named and there is none among the {kind}", remedy="put one there")
    return found


def chosen_control_net(folders: Folders, wanted: str | None, control_type: ControlType) -> str:
    """The wanted file, else one with the type in its name, else a union ControlNet. Raises ``ModelMissing``."""
    if wanted is not None:
        return wanted
    here = folders.files("controlnet")
    for mark in (control_type, _UNION):
        found = next((name for name in here if mark in name.lower()), None)
        if found is not None:
            return found
    raise ModelMissing(f"no ControlNet was named and none is for '{control_type}'", remedy="name one with 'model'")


def is_union(name: str) -> bool:
    """Whether a ControlNet takes several kinds of pictures and must be told which, by its file's name."""
    return _UNION in name.lower()


def _declared_side(metadata: dict[str, str]) -> int | None:
    """``modelspec.resolution``: 1024x1024."""
    width, _, height = metadata.get("modelspec.resolution", "").partition("x")
    return int(width) if width.isdigit() and width == height and 64 <= int(width) <= 4096 else None


def _usual_side(names: Any, channels: int) -> int:
    if channels < _NARROWEST_CHANNELS:
        return 128
    return next((side for mark, side in _MARKS if any(name.startswith(mark) for name in names)), 512)
