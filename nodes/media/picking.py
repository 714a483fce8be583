"""Which pictures of a film are taken: another rate, the first left out, every so many, at most so many."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, pairwise

import numpy as np
import torch

from engine.errors import InputInvalid
from engine.types import Audio, Image
from nodes import pictures
from nodes.media import images
from nodes.media.film import FilmFile
from nodes.media.telling import NodeContext

_NEARLY = 1e-6


@dataclass(frozen=True, slots=True)
class Picking:
    """``rate``: that the film is brought to, 0 for its own; ``skip``, ``every`` and ``most`` (0: all) count after that.

    ``size``: (width, height) of the pictures; their centre is cut to its shape. ``whole``: (n, rest): as many pictures
    are taken as leave ``rest`` when divided by n.
    """

    rate: float = 0.0
    skip: int = 0
    every: int = 1
    most: int = 0
    size: tuple[int, int] | None = None
    whole: tuple[int, int] = (1, 0)

    def places(self, count: int, fps: float) -> list[int]:
        """The numbers of the pictures taken of ``count``, ``fps`` a second; one may be taken several times."""
        step = fps / self.rate if self.rate else 1.0
        shown = math.floor((count - 1) / step + _NEARLY) + 1
        numbers = [math.ceil(place * step - _NEARLY) for place in range(self.skip, shown, self.every)]
        numbers = numbers[: self.most] if self.most else numbers
        of, rest = self.whole
        return numbers[: max(0, (len(numbers) - rest) // of * of + rest)]

    def rate_of(self, fps: float) -> float:
        """Pictures a second, as they come out."""
        return (self.rate or fps) / self.every


def pick(film: FilmFile, picking: Picking, hdr: str, run: NodeContext) -> Image:
    """Those pictures of the film: float32[pictures, height, width, 3]. Raises ``InputInvalid`` where there are none.

    Where they follow each other, and are as large as they were, they may stay in the film's file.
    """
    numbers = picking.places(film.count, float(film.clock.rate))
    if not numbers:
        raise InputInvalid(
            f"of the film's {film.count} pictures none is left",
            input="skip_first_frames",
            remedy="skip fewer pictures, or take more",
        )
    size = picking.size or film.size
    in_a_row = all(later == earlier + 1 for earlier, later in pairwise(numbers))
    if in_a_row and size == film.size and film.channels == 3:
        rate = film.clock.rate
        return images.image_of(film.part(numbers[0] / rate, Fraction(len(numbers)) / rate), hdr, run)
    film.limits.admit(len(numbers) * size[0] * size[1] * 3 * images.FLOAT_BYTES)
    made = torch.empty(len(numbers), size[1], size[0], 3)
    _fill(made, film, numbers, hdr, run)
    return Image(made)


def _fill(made: torch.Tensor, film: FilmFile, numbers: list[int], hdr: str, run: NodeContext) -> None:
    places: dict[int, list[int]] = {}
    for place, number in enumerate(numbers):
        places.setdefault(number, []).append(place)
    height, width = made.shape[1:3]
    last = None
    for number, picture in enumerate(islice(film.pictures(run), numbers[-1] + 1)):
        if number in places:
            shown = images.as_floats(picture, hdr)[None, ..., :3]
            last = pictures.resize.to_size(
                torch.from_numpy(np.ascontiguousarray(shown)), width, height, "lanczos", crop=True
            )
            made[places.pop(number)] = last
    for left in places.values():  # of frames that could not be decoded
        if last is not None:
            made[left] = last


def heard(film: FilmFile, picking: Picking, run: NodeContext) -> Audio | None:
    """The sound beside those pictures, up to the film's end where all are taken."""
    audio = film.audio(run)
    if audio is None:
        return None
    fps, hz = float(film.clock.rate), audio.sample_rate_hz
    start = round(picking.skip / (picking.rate or fps) * hz)
    end = start + round(picking.most / picking.rate_of(fps) * hz) if picking.most else audio.waveform.shape[-1]
    return replace(audio, waveform=audio.waveform[..., start:end].clone())
