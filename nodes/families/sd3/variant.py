"""What is particular to one network of Stable Diffusion 3."""

from __future__ import annotations

from dataclasses import dataclass

PATCH = 2


@dataclass(frozen=True, slots=True)
class SD3Variant:
    """``context_width``: of the prompts' tokens."""

    context_width: int
