"""Value types of what reads pictures for prompts: encoders, what they saw, and networks that take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from engine.weights import Weights


@dataclass(frozen=True, eq=False)
class ClipVision:
    """CLIP_VISION: an encoder of pictures ``side_px`` wide and high, whose colours are normalised beforehand."""

    wire: ClassVar[str] = "CLIP_VISION"
    weights: Weights
    side_px: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class ClipVisionOutput:
    """CLIP_VISION_OUTPUT: the last layer's tokens and the last but one's, float32[batch, tokens, width]; a summary."""

    wire: ClassVar[str] = "CLIP_VISION_OUTPUT"
    last_hidden: Tensor
    penultimate_hidden: Tensor
    summary: Tensor


@dataclass(frozen=True, eq=False)
class IpAdapter:
    """IPADAPTER: a network that lets pictures be part of the prompt. ``kind``: how many transformers the networks have
    that it is for; ``context_width``: of their prompts' tokens. ``vision``: the picture encoder that it was trained
    with, where known.
    """

    wire: ClassVar[str] = "IPADAPTER"
    weights: Weights
    kind: int
    context_width: int
    vision: ClipVision | None = None


@dataclass(frozen=True, eq=False)
class StyleModel:
    """STYLE_MODEL: turns what a picture encoder saw into tokens of a prompt."""

    wire: ClassVar[str] = "STYLE_MODEL"
    weights: Weights
