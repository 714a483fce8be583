"""Text encoders from files of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.errors import ModelUnreadable
from nodes.diffusion.families import FAMILIES
from nodes.diffusion.identity import what_it_is
from nodes.diffusion.text.clip_model import kind_of, text_weights
from nodes.diffusion.weights import WeightFile
from nodes.values import Clip

# The family whose denoisers read just these encoders.
_FAMILY_OF = {tuple(slot.kind for slot in family.text): family for family in FAMILIES.values()}


def load_clip(paths: Sequence[Path]) -> Clip:
    """One file's CLIP-L (SD1.x), ViT-H (SD2.x) or bigG (SDXL refiner), or two files' CLIP-L and bigG (SDXL).

    The order of the files does not matter. Raises ``ModelUnreadable`` for files that are no such encoders.
    """
    views = [WeightFile(path).view("") for path in paths]
    by_kind = {}
    for view in views:
        try:
            by_kind[kind_of(view)] = view
        except ModelUnreadable as error:
            message = f"'{view.file.path.name}': {error.message}{what_it_is(view.file)}"
            raise ModelUnreadable(message, input="clip_name") from error
    kinds = tuple(sorted(by_kind, reverse=True))
    if len(by_kind) < len(views) or kinds not in _FAMILY_OF:
        names = " and ".join(f"'{path.name}'" for path in paths)
        raise ModelUnreadable(
            f"{names}: no family is read by {' and '.join(map(kind_of, views))} together",
            remedy="SDXL takes one CLIP-L and one OpenCLIP bigG",
        )
    family = _FAMILY_OF[kinds]
    return Clip(tuple(text_weights(by_kind[slot.kind], slot.kind) for slot in family.text), family)
