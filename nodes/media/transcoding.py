"""Encoding a film's file anew, frame by frame: upright, in square pixels, its colours and its frames' times kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.filter import Graph
from av.video.reformatter import ColorRange, ColorTrc

from nodes.media import frames, opening, sound_files, writing
from nodes.media.film import FilmFile
from nodes.media.telling import NOBODY, Run

_TRANSFERS = {ColorTrc.ARIB_STD_B67: "HDR", ColorTrc.SMPTE2084: "HDR PQ"}
_SOUND = {"mp4": "aac", "matroska": "aac", "webm": "opus"}


def color_space(film: FilmFile) -> str:
    """How ComfyUI calls the film's transfer: ``sRGB``, ``HDR`` (HLG) or ``HDR PQ``."""
    return {"hlg": "HDR", "pq": "HDR PQ"}.get(film.meaning.transfer, "sRGB")


def transcode(
    film: FilmFile,
    target: Path,
    format: str,
    encoding: writing.Encoding,
    texts: Mapping[str, str],
    run: Run = NOBODY,
) -> None:
    """Write ``film`` with ``encoding``, whose bit depth and transfer are those of the film. Raises ``InputInvalid``."""
    encoding = replace(
        encoding, bit_depth=10 if film.meaning.deep else 8, transfer=color_space(film), alpha=film.meaning.alpha
    )
    size = film.size
    if encoding.codec == "h264":
        size = (size[0] + size[0] % 2, size[1] + size[1] % 2)
    name = writing.FORMATS[format]
    audio = film.audio(run)
    with opening.opened(film.path) as source, writing.output(target, name, {**source.metadata, **texts}) as container:
        track = opening.picture_track(source, film.path)
        stream = writing.picture_stream(container, encoding, size, film.clock.rate)
        stream.codec_context.time_base = track.time_base
        sound = None
        if audio is not None:
            sound = sound_files.Track(container, _SOUND[name], audio.waveform[0], audio.sample_rate_hz, run)
        lead = Fraction(film.held) / film.clock.rate
        end_s = lead
        for frame in _made(source, track, film, encoding, size, run):
            run.check_cancelled()
            end_s = frame.pts * track.time_base + lead
            frame.pts += round(lead / track.time_base) if end_s > lead else 0
            container.mux(stream.encode(frame))
            if sound is not None:
                sound.write_until(end_s)
        container.mux(stream.encode(None))
        if sound is not None:
            sound.finish(max(end_s, Fraction(0)) + 1 / film.clock.rate)


def _made(
    source: Any, track: Any, film: FilmFile, encoding: writing.Encoding, size: tuple[int, int], run: Run
) -> Iterator[Any]:
    """Frames as the encoder takes them, their times counted from the first picture and rising."""
    told: set[str] = set()

    def damage(what: str) -> None:
        if what not in told:
            told.add(what)
            run.note(f"'{film.path.name}': {what}")

    graph, last, step = None, -1, max(1, round(1 / film.clock.rate / track.time_base))
    start = round(film.clock.start_s / track.time_base)
    for frame in frames.decoded(source, track, damage):
        if not frames.fitting_size(frame, film.coded, film.path, damage):
            frame_pts = frame.pts
            frame = frame.reformat(width=film.coded[0], height=film.coded[1])  # noqa: PLW2901
            frame.pts = frame_pts
        _state_colours(frame, film)
        pts = last + step if frame.pts is None else max(frame.pts - start, last + 1)
        frame.pts, last, frame.pict_type = pts, pts, 0
        graph = graph or _graph(frame, film, encoding, size, track.time_base)
        graph.vpush(frame)
        made = graph.vpull()
        made.pts, made.time_base, made.pict_type = pts, track.time_base, 0
        yield made


def _state_colours(frame: Any, film: FilmFile) -> None:
    """What the frame means, said in it where it was only understood; the filters keep to it."""
    frame.colorspace = film.meaning.matrix
    frame.color_range = ColorRange.JPEG if film.meaning.full else ColorRange.MPEG


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
