"""What a model file is, by the one table of all families; and that it is said where a loader cannot take it."""

from __future__ import annotations

from engine.errors import ModelUnreadable
from nodes.diffusion.weights import WeightFile, WeightView
from nodes.families.family import Family
from nodes.families.found import families
from nodes.families.recognition import recognise


def denoiser_in(file: WeightFile, input: str) -> tuple[Family, WeightView]:
    """The family of the file's denoiser, which is one of those here, and its tensors.

    ``input``: of the node that names the file. Raises ``ModelUnreadable``, which names the file's family where that is
    known but not here.
    """
    found = recognise(file.shapes)
    if found is None:
        raise ModelUnreadable(
            f"'{file.path.name}' holds no denoiser of a family that is known", input=input, remedy=_families()
        )
    if found.family is None:
        raise ModelUnreadable(
            f"'{file.path.name}' is of the family {found.title}, which cannot be loaded",
            input=input,
            remedy=_families(),
        )
    return found.family, file.view(found.prefix)


def what_it_is(file: WeightFile) -> str:
    """``: it is a denoiser of the family X``, for the end of a message about a file of another kind; or nothing."""
    found = recognise(file.shapes)
    return "" if found is None else f": it is a denoiser of the family {found.title}"


def _families() -> str:
    return f"the families here are: {', '.join(family.title for family in families().values())}"
