"""A film's pictures as an IMAGE: in memory where they are few, else read from the file whenever they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from weakref import ref

import numpy as np
import torch
from torch import Tensor

from engine.types import Audio, Image
from nodes.media import tone, transcoding, writing
from nodes.media.clock import exact_rate
from nodes.media.colour import DecodedPicture
from nodes.media.film import FilmFile
from nodes.media.telling import NOBODY, NodeContext

FLOAT_BYTES = 4
# Films whose frames take more stay in their files.
IN_MEMORY_BYTES = 128 * 2**20
_AHEAD = 2  # pictures that are decoded while one is converted


class FilmImage(Image):
    """IMAGE that lies in a film's file. ``pixels`` decodes all of it; ``pictures_of`` reads one after the other."""

    __slots__ = ("__weakref__", "_made", "film", "hdr")
    lies_in_file = True  # so that nobody reads it to see how large it is
    film: FilmFile
    hdr: str
    _made: Callable[[], Tensor | None]

    def __init__(self, film: FilmFile, hdr: str) -> None:
        object.__setattr__(self, "film", film)
        object.__setattr__(self, "hdr", hdr)
        object.__setattr__(self, "_made", lambda: None)

    @property
    def pixels(self) -> Tensor:
        """All frames, float32; kept for as long as somebody uses them."""
        made = self._made()
        if made is None:
            made = tensor_of(self.film, self.hdr)
            object.__setattr__(self, "_made", ref(made))
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return FilmImage, (self.film, self.hdr)


def image_of(film: FilmFile, hdr: str, run: NodeContext = NOBODY) -> Image:
    """The film's frames: float32[frames, height, width, 3 or 4], at once or when they are asked for."""
    width, height = film.size
    if film.count * width * height * film.channels * FLOAT_BYTES <= IN_MEMORY_BYTES:
        return Image(tensor_of(film, hdr, run))
    return FilmImage(film, hdr)


def tensor_of(film: FilmFile, hdr: str, run: NodeContext = NOBODY) -> Tensor:
    """All frames in memory. Raises ``InputInvalid`` or ``DeviceMemoryExhausted`` where it does not hold them."""
    width, height = film.size
    film.limits.admit(film.count * height * width * film.channels * FLOAT_BYTES)
    # numpy asks the system for large pages, so that new memory takes a fraction of the time.
    frames = torch.from_numpy(np.empty((film.count, height, width, film.channels), dtype=np.float32))
    number = 0
    for number, picture in enumerate(_ahead(film.pictures(run)), start=1):
        if number > len(frames):  # A packet may hold several.
            frames = torch.cat([frames, torch.empty_like(frames)])
        as_floats(picture, hdr, frames[number - 1])
    return frames[:number]


def pictures_of(image: Image, run: NodeContext = NOBODY) -> Iterator[np.ndarray]:
    """Each picture of an IMAGE as [height, width, channels]: uint8 as it was decoded, or float32."""
    if isinstance(image, FilmImage):
        for picture in _ahead(image.film.pictures(run)):
            plain = picture.levels.dtype == np.uint8 and (picture.meaning.standard or image.hdr != "sdr")
            yield picture.levels if plain else as_floats(picture, image.hdr)
        return
    for pixels in image.pixels:
        run.check_cancelled()
        yield pixels.numpy()


def write(
    path: Path,
    format: str,
    image: Image,
    fps: float | Fraction,
    encoding: writing.Encoding,
    audio: Audio | None = None,
    texts: Mapping[str, str] | None = None,
    run: NodeContext = NOBODY,
) -> None:
    """Encode an IMAGE as a film, ``fps`` pictures a second, with sound. Raises ``InputInvalid``.

    Pictures that lie in a film's file go from there to the encoder as they are, unless their light has to be changed.
    """
    if isinstance(image, FilmImage) and image.film.meaning.standard and not encoding.alpha:
        rate = exact_rate(fps)
        transcoding.write_places(image.film, path, format, rate, encoding, audio, texts or {}, run)
        return
    writing.write(path, format, pictures_of(image, run), size_of(image), fps, encoding, audio, texts, run)


def floats_of(picture: np.ndarray) -> Tensor:
    """One of ``pictures_of`` as float32[height, width, channels], 0..1."""
    values = torch.from_numpy(picture)
    return values / 255.0 if picture.dtype == np.uint8 else values


def size_of(image: Image) -> tuple[int, int]:
    """(width, height) in pixels; nothing is decoded."""
    if isinstance(image, FilmImage):
        return image.film.size
    return int(image.pixels.shape[2]), int(image.pixels.shape[1])


def count_of(image: Image) -> int:
    """How many pictures there are; of a film's file, how many there are if all can be decoded."""
    return image.film.count if isinstance(image, FilmImage) else len(image.pixels)


def some_of(image: Image, first: int, end: int) -> Image:
    """The pictures from number ``first`` to before ``end``; one that lies in a film's file is not read for it."""
    if isinstance(image, FilmImage):
        rate = image.film.clock.rate
        return FilmImage(image.film.part(first / rate, (end - first) / rate), image.hdr)
    return Image(image.pixels[first:end])


def channels_of(image: Image) -> int:
    """3, or 4 with alpha."""
    return image.film.channels if isinstance(image, FilmImage) else image.pixels.shape[-1]


def as_floats(picture: DecodedPicture, hdr: str, target: Tensor | None = None) -> np.ndarray:
    """float32[height, width, 3 or 4], 0..1; with ``hdr`` ``sdr``, as ordinary screens show it."""
    if target is None:
        target = torch.empty(picture.levels.shape)
    levels, floats = picture.levels, target.numpy()
    if levels.dtype == np.uint8 and levels.flags.c_contiguous:
        torch.div(torch.from_numpy(levels), 255.0, out=target)
    else:
        np.divide(levels[..., :3], np.float32(picture.white), out=floats[..., :3], dtype=np.float32, casting="unsafe")
        if levels.shape[-1] == 4:
            floats[..., 3] = levels[..., 3] / np.float32(picture.alpha_white)
        if picture.meaning.deep and picture.white != 1:
            np.clip(floats, 0, 1, out=floats)  # what is stored as numbers (EXR) may be more
    if hdr == "sdr" and not picture.meaning.standard:
        floats[..., :3] = tone.to_sdr(floats[..., :3], picture.meaning)
    return floats


def _ahead(pictures: Iterator[DecodedPicture]) -> Iterator[DecodedPicture]:
    """The same pictures, decoded in a thread while the caller deals with those before."""
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as decoding:
        take: Callable[[], DecodedPicture | None] = lambda: next(pictures, None)  # noqa: E731
        coming = [decoding.submit(take) for _ in range(_AHEAD)]
        try:
            while (picture := coming.pop(0).result()) is not None:
                coming.append(decoding.submit(take))
                yield picture
        finally:
            for future in coming:
                future.cancel()
            # What is open of the file is closed by the thread that used it.
            decoding.submit(getattr(pictures, "close", lambda: None)).result()
