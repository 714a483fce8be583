"""Which model files to take where the parameters name none, and what their headers say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.service.prepare.generate.parameters import ControlType
from engine.errors import ModelMissing
from engine.folders import Folders
from nodes.families.headers import read_shapes
from nodes.families.recognition import recognise

_UNET_IN = "model.diffusion_model.input_blocks.0.0.weight"
_MARKS = (("conditioner.embedders.", 1024), ("cond_stage_model.model.", 768))
_REFINER_ENCODER = "conditioner.embedders.0.model."
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
            if _UNET_IN not in names and (found := recognise(read_shapes(path) or {})) and found.family is not None:
                return CheckpointFacts(_declared_side(file.metadata() or {}) or found.family.side_px)
            shape = file.get_slice(_UNET_IN).get_shape() if _UNET_IN in names else [320, 4]
            side_px = _declared_side(file.metadata() or {}) or _usual_side(names, shape[0])
    except (SafetensorError, OSError):
        return CheckpointFacts()
    return CheckpointFacts(side_px, inpainting=shape[1] == 9)


def chosen_checkpoint(folders: Folders, wanted: str | None, preferred: Sequence[str] = ()) -> str:
    """The wanted file, else the first that is ``preferred``, else the one that has been there longest.

    So a file that is added changes no request without a model. Refiners, which draw last steps only, are never chosen.
    Raises ``ModelMissing`` for none.
    """
    if wanted is not None:
        return wanted
    here = folders.files("checkpoints")
    asked_for = next((name for name in preferred if name in here), None)
    if asked_for is not None:
        return asked_for
    by_age = sorted(here, key=lambda name: (folders.find("checkpoints", name).stat().st_mtime_ns, name))
    found = next((name for name in by_age if not is_refiner(folders.find("checkpoints", name))), None)
    if found is None:
        raise ModelMissing("no model was named and there is none among the checkpoints", remedy="put one there")
    return found


def chosen(folders: Folders, kind: str, wanted: str | None) -> str:
    """The wanted file, else the first. Raises ``ModelMissing`` for none."""
    if wanted is not None:
        return wanted
    found = next(iter(folders.files(kind)), None)
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


def chosen_refiner(folders: Folders, wanted: str | None) -> str:
    """The wanted file, else the first checkpoint that is a refiner. Raises ``ModelMissing`` for none."""
    found = wanted or any_refiner(folders)
    if found is None:
        raise ModelMissing(
            "there is no refiner among the checkpoints", remedy="put one there, or leave the refiner out"
        )
    return found


def any_refiner(folders: Folders) -> str | None:
    """The first checkpoint that is a refiner by its header."""
    return next((name for name in folders.files("checkpoints") if is_refiner(folders.find("checkpoints", name))), None)


def is_refiner(path: Path) -> bool:
    """Whether a checkpoint is SDXL's refiner: its first text encoder is the large one, and the only one."""
    names = _names(path)
    return any(name.startswith(_REFINER_ENCODER) for name in names)


def is_union(name: str) -> bool:
    """Whether a ControlNet takes several kinds of pictures and must be told which, by its file's name."""
    return _UNION in name.lower()


def _names(path: Path) -> Sequence[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return tuple(file.keys())
    except (SafetensorError, OSError):
        return ()


def _declared_side(metadata: dict[str, str]) -> int | None:
    """``modelspec.resolution``: 1024x1024."""
    width, _, height = metadata.get("modelspec.resolution", "").partition("x")
    return int(width) if width.isdigit() and width == height and 64 <= int(width) <= 4096 else None


def _usual_side(names: Any, channels: int) -> int:
    if channels < _NARROWEST_CHANNELS:
        return 128
    return next((side for mark, side in _MARKS if any(name.startswith(mark) for name in names)), 512)
