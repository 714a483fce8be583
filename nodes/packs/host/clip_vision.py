"""``comfy.clip_vision``: encoders of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nodes.packs.objects import WrappedSeen, WrappedVision

Output = WrappedSeen
ClipVisionModel = WrappedVision


def load(ckpt_path: Any) -> WrappedVision:
    """The encoder of a file."""
    from nodes import diffusion

    return WrappedVision(diffusion.vision.load_vision(Path(ckpt_path)))
