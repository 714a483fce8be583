"""Which family a file's denoiser is of: the one table that every loader asks first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nodes.families.elsewhere import ELSEWHERE
from nodes.families.family import Family
from nodes.families.found import families
from nodes.families.marks import Shapes, any_fits

WHOLE = "model.diffusion_model."
"""What names of a denoiser's tensors begin with in a file that may hold more than it."""

PREFIXES = (WHOLE, "diffusion_model.", "model.model.", "net.")
"""What names of a denoiser's tensors begin with where a file holds more than that, or its trainer's wrapping."""

_ENOUGH = 5
"""Tensors that a denoiser has more of; as few under a prefix are leftovers."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A file's denoiser: ``prefix`` of its tensors' names; ``family`` is None for one that is only known by name."""

    title: str
    prefix: str
    family: Family | None = None


def prefix_of(names: Iterable[str]) -> str:
    """The prefix under which most of a file's denoiser is; empty for a file of bare names."""
    names = list(names)
    counts = {prefix: sum(name.startswith(prefix) for name in names) for prefix in PREFIXES}
    best = max(counts, key=lambda prefix: counts[prefix])
    return best if counts[best] > _ENOUGH else ""


def recognise(shapes: Shapes) -> Recognised | None:
    """What the file with these tensors (all of them, by their names in it) denoises with, if anything."""
    prefix = prefix_of(shapes)
    own = {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
    for family in families().values():
        if any_fits(family.marks, own):
            return Recognised(family.title, prefix, family)
    for other in ELSEWHERE:
        if any_fits(other.marks, own):
            return Recognised(other.title, prefix)
    return None
