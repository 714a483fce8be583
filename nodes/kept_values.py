"""The values that classes which keep may have written to disk: all in them is tensors and plain values.

What else a value may hold (a ControlNet in a CONDITIONING, for one) is not written; such outputs stay in memory.
"""

from __future__ import annotations

from engine.types import Image, Mask
from nodes.latent_space import LatentSpace
from nodes.values import Area, Cond, Conditioning, Latent

KEPT_TYPES: tuple[type, ...] = (Area, Cond, Conditioning, Image, Latent, LatentSpace, Mask)
