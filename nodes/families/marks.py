"""Recognizes a file's kind by its tensors: names that must be there or must not, and questions about shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor of a file, by its name without the prefix of the part that it belongs to."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What all files of a kind have in common: all names of ``present``, none of ``absent``, and what ``test`` asks.

    Absolute widths are no mark: small models of a family are of that family too.
    """

    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    test: Callable[[Shapes], bool] | None = None

    def fit(self, shapes: Shapes) -> bool:
        """Whether a file with these tensors is of the kind."""
        return (
            all(name in shapes for name in self.present)
            and not any(name in shapes for name in self.absent)
            and (self.test is None or self.test(shapes))
        )


def any_fits(marks: tuple[Marks, ...], shapes: Shapes) -> bool:
    """Whether one of several sets of marks, such as a family's for each published layout, is there."""
    return any(each.fit(shapes) for each in marks)


def holds(part: str) -> Callable[[Shapes], bool]:
    """A question for :class:`Marks`: whether any tensor's name has ``part`` in it."""
    return lambda shapes: any(part in name for name in shapes)
