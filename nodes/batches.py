"""Places in a batch of pictures or latents."""

from __future__ import annotations

from typing import Annotated

from engine.inputs import MAX_SIDE_PX, Int

PlaceInBatch = Annotated[int, Int(min=-MAX_SIDE_PX, max=MAX_SIDE_PX)]
"""A number from 0 on; below 0 it counts from the end."""


def place_in_batch(index: int, count: int) -> int:
    """Which of ``count`` items ``index`` means; beyond an end, the item there."""
    return max(0, min(count - 1, index + count if index < 0 else index))
