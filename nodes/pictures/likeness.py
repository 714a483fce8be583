"""Telling pictures that look alike."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow
from torch import Tensor

from nodes.pictures import encode

_PLACES = 8


def bright_places(pixels: Tensor) -> np.ndarray:
    """Which of 8 x 8 places of float[height, width, channels] are brighter than their average: bool[64]."""
    small = Pillow.fromarray(encode.levels(pixels)).resize((_PLACES, _PLACES), Pillow.Resampling.LANCZOS).convert("L")
    levels = np.asarray(small, dtype=np.int64).ravel()
    bright: np.ndarray = levels > levels.sum() / levels.size
    return bright
