"""Decoding a film's pictures one by one: damaged packets are skipped, fields are woven, sizes are kept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.filter import Graph

from engine.errors import InputInvalid
from nodes.media.telling import NodeContext

# Frames that are decoded at a time take memory: this many pixels of them at most.
_PIXELS_AT_ONCE = 2**24
_MAX_THREADS = 8
_SAME_SHAPE = 0.02
# The decoder of libvpx reads alpha, FFmpeg's own VP9 and VP8 do not.
_WITH_ALPHA = {"vp9": "libvpx-vp9", "vp8": "libvpx"}


class Damage:
    """Tells a run what is wrong with a film, each thing once."""

    def __init__(self, path: Path, run: NodeContext) -> None:
        self.name = path.name
        self._run = run
        self._told: set[str] = set()

    def __call__(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._run.note(f"'{self.name}': {what}")


def decoder_of(track: Any) -> Any:
    """What decodes the track, set up for its size: threads by its pixels."""
    pixels = max(1, (track.width or 1) * (track.height or 1))
    threads = max(1, min(_MAX_THREADS, _PIXELS_AT_ONCE // pixels))
    context = track.codec_context
    if track.metadata.get("alpha_mode") == "1" and track.codec.name in _WITH_ALPHA:
        made = av.CodecContext.create(_WITH_ALPHA[track.codec.name], "r")
        made.extradata = context.extradata
        context = made
    context.thread_count = threads
    context.thread_type = "AUTO"
    return context


def decoded(container: Any, track: Any, damage: Damage) -> Iterator[Any]:
    """All frames that can be decoded, in the order in which they are shown; ``damage`` is told of what cannot."""
    frames = _decoded(container, track, decoder_of(track), damage)
    for frame in frames:
        if frame.interlaced_frame:
            yield from _deinterlaced(frame, frames, track)
            return
        yield frame


def _decoded(container: Any, track: Any, decoder: Any, damage: Damage) -> Iterator[Any]:
    skipped = 0
    packets = container.demux(track)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            damage("it ends in the middle")
            packet = None
        if packet is None:
            break
        try:
            yield from decoder.decode(packet if packet.size else None)
        except av.EOFError:
            break
        except av.FFmpegError:
            skipped += 1
    if skipped:
        damage(f"{skipped} damaged packet{'s' if skipped > 1 else ''} of its pictures left out")


def _deinterlaced(first: Any, frames: Iterator[Any], track: Any) -> Iterator[Any]:
    """Each frame with the lines of its second field made anew (bwdif), where it says that it has fields."""
    graph = Graph()
    source = graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=track.time_base)
    weave = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    sink = graph.add("buffersink")
    graph.link_nodes(source, weave, sink).configure()

    def ready() -> Iterator[Any]:
        while True:
            try:
                yield graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return

    size = (first.width, first.height)
    for frame in chain([first], frames):
        if (frame.width, frame.height) != size:
            yield frame  # The filter is set up for one size; what follows is dealt with by the reader.
            continue
        graph.vpush(frame)
        yield from ready()
    graph.vpush(None)
    yield from ready()


def of_size(frames: Iterator[Any], size: tuple[int, int], damage: Damage) -> Iterator[Any]:
    """The frames, those of the same shape but another size scaled to ``size``.

    Raises ``InputInvalid`` where the shape changes.
    """
    for frame in frames:
        if (frame.width, frame.height) == size:
            yield frame
            continue
        change = f"from {size[0]}x{size[1]} to {frame.width}x{frame.height}"
        if abs(frame.width * size[1] / (frame.height * size[0]) - 1) > _SAME_SHAPE:
            raise InputInvalid(
                f"the pictures of '{damage.name}' change {change} in the middle of the film",
                input="video",
                remedy="cut it where they change, or scale it to one size in a video editor",
            )
        damage(f"its pictures change {change}; they are scaled to the first ones' size")
        scaled = frame.reformat(width=size[0], height=size[1])
        scaled.pts = frame.pts
        yield scaled
