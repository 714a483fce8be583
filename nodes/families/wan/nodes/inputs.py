"""What the nodes of Wan have in common: their inputs' ranges, what they give, and how prompts are told of pictures."""

from __future__ import annotations

from typing import Annotated

from engine.inputs import MAX_SIDE_PX, Int
from nodes.values import Conditioning
from nodes.vision_values import ClipVisionOutput

Side = Annotated[int, Int(min=16, max=MAX_SIDE_PX, step=16)]
Frames = Annotated[int, Int(min=1, max=MAX_SIDE_PX, step=4)]
CATEGORY = "model/conditioning/wan"


def with_seen(prompt: Conditioning, seen: ClipVisionOutput | None) -> Conditioning:
    """``prompt`` with a picture as an encoder saw it."""
    return prompt if seen is None else prompt.with_extra(clip_vision_output=seen)
