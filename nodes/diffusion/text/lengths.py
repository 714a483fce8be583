"""How prompts are filled up to a length, by the family's custom or as a node says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

_MINIMUM, _PADDING = "min_length", "min_padding"


@dataclass(frozen=True, slots=True)
class Length:
    """How a prompt's row of tokens is filled up: by at least ``padding`` tokens, to at least ``minimum`` in all.

    ``empty_end``: whether the empty prompt that weights are measured from has an end token before its padding.
    """

    minimum: int
    padding: int = 0
    empty_end: bool = True

    def given(self, options: Mapping[str, Any]) -> Length:
        """As ``options`` of a CLIP's tokenizers say, where they do."""
        return replace(self, minimum=options.get(_MINIMUM, self.minimum), padding=options.get(_PADDING, self.padding))


def padding_options(minimum: int, padding: int) -> dict[str, int]:
    """Options of a CLIP's tokenizers for :meth:`Length.given`."""
    return {_MINIMUM: minimum, _PADDING: padding}
