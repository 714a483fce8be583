"""Pictures one after another as a film shows them: forth and back, several times, up to an end, of even sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.types import Audio, Image
from nodes.media import images, writing
from nodes.media.telling import NodeContext


@dataclass(frozen=True, slots=True)
class Sequence:
    """``back``: after the last one come those before it, down to the second; ``times``: how often all that is shown.

    ``most``: pictures in all, None for no limit.
    """

    image: Image
    back: bool = False
    times: int = 1
    most: int | None = None

    @property
    def plain(self) -> bool:
        """Whether it is the pictures as they are."""
        return not self.back and self.times == 1 and self.most is None

    @property
    def pixels(self) -> Tensor:
        """All of them in memory, once: float32[pictures, height, width, channels]."""
        pixels = self.image.pixels
        return torch.cat([pixels, pixels[1:-1].flip(0)]) if self.back else pixels

    def pictures(self, run: NodeContext) -> Iterator[np.ndarray]:
        """Each, as :func:`nodes.media.images.pictures_of` has them, of even sides."""
        return (_even(picture) for picture in islice(self._all(run), self.most))

    def _all(self, run: NodeContext) -> Iterator[np.ndarray]:
        if self.back:
            return chain.from_iterable((each.numpy() for each in self.pixels) for _ in range(self.times))
        return chain.from_iterable(images.pictures_of(self.image, run) for _ in range(self.times))


def write(
    path: Path,
    format: str,
    frames: Sequence,
    fps: float,
    encoding: writing.Encoding,
    audio: Audio | None,
    run: NodeContext,
) -> None:
    """Encode them as a film, ``fps`` a second, with sound. Raises ``InputInvalid``."""
    width, height = images.size_of(frames.image)
    if frames.plain and width % 2 == height % 2 == 0:
        images.write(path, format, frames.image, fps, encoding, audio, {}, run)
        return
    if width % 2 or height % 2:
        run.note(f"pictures of {width}x{height} are one row or column larger in the film, whose sides are even")
    size = (width + width % 2, height + height % 2)
    writing.write(path, format, frames.pictures(run), size, fps, encoding, audio, {}, run)


def _even(picture: np.ndarray) -> np.ndarray:
    """Its last row and column twice, where their number is odd."""
    height, width = picture.shape[:2]
    return (
        np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge") if height % 2 or width % 2 else picture
    )
