"""What a model file is, by the one table of all families; and that it is said where a loader cannot take it."""

from __future__ import annotations

from engine.errors import ModelUnreadable
from nodes.diffusion.weights import WeightFile, WeightView
from nodes.families.family import Family
from nodes.families.found import families
from nodes.families.recognition import Recognised, recognise


def denoiser_in(file: WeightFile, input: str) -> WeightView:
    """The tensors of the file's denoiser, whose family is one of those here.

    ``input``: of the node that names the file. Raises ``ModelUnreadable``, which names the file's family where that is
    known but not here.
    """
    found = _found(file, input)
    return file.view(found.prefix)


def family_in(file: WeightFile) -> Family:
    """The family of the file's denoiser. Raises ``ModelUnreadable`` as :func:`denoiser_in` does."""
    family = _found(file, "ckpt_name").family
    assert family is not None
    return family


def what_it_is(file: WeightFile) -> str:
    """``: it is a denoiser of the family X``, for the end of a message about a file of another kind; or nothing."""
    found = recognise(file.shapes)
    return "" if found is None else f": it is a denoiser of the family {found.title}"


def _found(file: WeightFile, input: str) -> Recognised:
    found = recognise(file.shapes)
    here = ", ".join(family.title for family in families().values())
    if found is None:
        raise ModelUnreadable(
            f"'{file.path.name}' holds no denoiser of a family that is known",
            input=input,
            remedy=f"the families here are: {here}",
        )
    if found.family is None:
        raise ModelUnreadable(
            f"'{file.path.name}' is of the family {found.title}, which cannot be loaded",
            input=input,
            remedy=f"the families here are: {here}",
        )
    return found
