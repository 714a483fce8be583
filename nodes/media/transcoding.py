"""Encoding a film's file anew, frame by frame: upright, in square pixels, its colours and its frames' times kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.filter import Graph
from av.video.reformatter import ColorRange

from engine.types import Audio
from nodes.media import frames, opening, writing
from nodes.media.film import FilmFile
from nodes.media.telling import NOBODY, NodeContext


def color_space(film: FilmFile) -> str:
    """How ComfyUI calls the film's transfer: ``sRGB``, ``HDR`` (HLG) or ``HDR PQ``."""
    return {"hlg": "HDR", "pq": "HDR PQ"}.get(film.meaning.transfer, "sRGB")


def transcode(
    film: FilmFile,
    target: Path,
    format: str,
    encoding: writing.Encoding,
    texts: Mapping[str, str],
    run: NodeContext = NOBODY,
) -> None:
    """Write ``film`` with ``encoding``, but with the film's own bit depth and transfer, its frames' times kept.

    A part of a film gets the film's rate. Raises ``InputInvalid``.
    """
    encoding = replace(
        encoding, bit_depth=10 if film.meaning.deep else 8, transfer=color_space(film), alpha=film.meaning.alpha
    )
    if not film.whole:
        write_places(film, target, format, film.clock.rate, encoding, film.audio(run), texts, run)
        return
    lead_s = Fraction(film.held) / film.clock.rate
    sound, size = film.audio(run), _size(film, encoding)
    with opening.opened(film.path) as source:
        track = opening.picture_track(source, film.path)
        frames_ = frames.decoded(source, track, (damage := frames.Damage(film.path, run)))
        timed = _timed(frames.of_size(frames_, film.coded, damage), film, track.time_base, lead_s)
        made = _converted(timed, film, encoding, size)
        texts = {**source.metadata, **texts}
        writing.write_frames(target, format, made, size, film.clock.rate, encoding, sound, texts, run)


def write_places(
    film: FilmFile,
    target: Path,
    format: str,
    rate: Fraction,
    encoding: writing.Encoding,
    sound: Audio | None,
    texts: Mapping[str, str],
    run: NodeContext = NOBODY,
) -> None:
    """Write the film's pictures, ``rate`` a second, with ``sound``: what its IMAGE and that AUDIO make, without RGB."""
    size = _size(film, encoding)
    placed = ((frame, number, 1 / rate) for number, (frame, _) in enumerate(film.frames(run)))
    made = _converted(placed, film, encoding, size)
    writing.write_frames(target, format, made, size, rate, encoding, sound, texts, run)


def _size(film: FilmFile, encoding: writing.Encoding) -> tuple[int, int]:
    """(width, height), even where H.264 needs that."""
    width, height = film.size
    return (width + width % 2, height + height % 2) if encoding.codec == "h264" else (width, height)


Timed = tuple[Any, int, Fraction]


def _timed(decoded: Iterator[Any], film: FilmFile, time_base: Fraction, lead_s: Fraction) -> Iterator[Timed]:
    """Frames with times that rise, counted from the film's start; the first one's is 0, however long it is held."""
    start, lead = round(film.clock.start_s / time_base), round(lead_s / time_base)
    last, step = -1, max(1, round(1 / film.clock.rate / time_base))
    for number, frame in enumerate(decoded):
        time = last + step if frame.pts is None else frame.pts - start + (lead if number else 0)
        last = max(time, last + 1)
        yield frame, last, time_base


def _converted(
    timed: Iterator[Timed], film: FilmFile, encoding: writing.Encoding, size: tuple[int, int]
) -> Iterator[Any]:
    """Frames as the encoder takes them."""
    graph = None
    for frame, time, time_base in timed:
        # What the frame means is said in it where it was only understood; the filters keep to it.
        frame.colorspace = film.meaning.matrix
        frame.color_range = ColorRange.JPEG if film.meaning.full else ColorRange.MPEG
        graph = graph or _graph(frame, film, encoding, size, time_base)
        graph.vpush(frame)
        made = graph.vpull()
        made.pts, made.time_base, made.pict_type = time, time_base, 0
        yield made


def _graph(frame: Any, film: FilmFile, encoding: writing.Encoding, size: tuple[int, int], time_base: Fraction) -> Any:
    """One step for size, range, matrix and format, and one for the turn where there is one."""
    graph = Graph()
    width, height = film.orientation.size(*size)
    matrix = "bt2020" if encoding.transfer != "sRGB" else "bt709"
    given = {1: "bt709", 9: "bt2020", 10: "bt2020", 7: "smpte240m", 4: "fcc"}.get(film.meaning.matrix, "smpte170m")
    levels = "full" if film.meaning.full else "limited"
    chain = [
        ("scale", f"{width}:{height}:flags=bilinear+accurate_rnd:in_color_matrix={given}:out_color_matrix={matrix}"
                  f":in_range={levels}:out_range=limited"),
        ("format", encoding.pixel_format),
        *(tuple(part.split("=", 1)) if "=" in part else (part, None) for part in film.orientation.filters()),
    ]  # fmt: skip
    node = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=time_base)
    for name, arguments in chain:
        step = graph.add(name, arguments)
        node.link_to(step)
        node = step
    node.link_to(graph.add("buffersink"))
    graph.configure()
    return graph
