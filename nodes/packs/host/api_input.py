"""``comfy_api.input`` and ``input_impl``: types of values that V3 classes name."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.types import Video
from nodes.packs.objects import WrappedVideo

ImageInput = MaskInput = AudioInput = LatentInput = BasicTypes = Any


@dataclass
class VideoComponents:
    """A film's parts."""

    images: Any
    frame_rate: Fraction
    audio: Any = None
    metadata: Any = None


VideoInput = WrappedVideo


class VideoFromComponents:
    """A film of pictures."""

    def __init__(self, components: Any) -> None:
        self._components = components

    def get_components(self) -> Any:
        """Its parts."""
        return self._components

    def get_dimensions(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._components.images.shape[2], self._components.images.shape[1]


class VideoFromFile(WrappedVideo):
    """A film of a file."""

    def __init__(self, file: Any) -> None:
        super().__init__(Video(file=Path(file)))


class _Names(enum.StrEnum):
    """Names to choose from."""

    @classmethod
    def as_input(cls) -> list[str]:
        """All of them."""
        return [one.value for one in cls]


class VideoContainer(_Names):
    """Kinds of files."""

    AUTO, MP4 = "auto", "mp4"


class VideoCodec(_Names):
    """Ways to encode."""

    AUTO, H264 = "auto", "h264"
