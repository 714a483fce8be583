"""Copying a film's streams as they are into another file, without loss, turns and colours included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av

from nodes.media import opening, writing

# What browsers and players find in a WEBM.
_WEBM = {"av1", "vp8", "vp9", "opus", "vorbis", "webvtt"}


def copied(path: Path, target: Path, format: str, codec: str, texts: Mapping[str, str]) -> bool:
    """Copy a film that is of the wanted kind; False where it is not, or where the container cannot hold it.

    ``format``: ``mp4``, ``mkv``, ``webm``, or ``auto`` (MP4, whatever the film lies in). Tracks that cannot be decoded
    here are left out.
    """
    with opening.opened(path) as source:
        track = opening.picture_track(source, path)
        name = writing.FORMATS["mp4" if format == "auto" else format]
        if format != "auto" and name not in source.format.name.split(","):
            return False
        kept = [s for s in source.streams if s.type in ("video", "audio", "subtitle") and s.codec_context is not None]
        if codec not in ("auto", track.codec.canonical_name):
            return False
        if format == "webm" and any(stream.codec.canonical_name not in _WEBM for stream in kept):
            return False
        try:
            _copy(source, kept, target, name, texts)
        except (av.FFmpegError, ValueError):
            target.unlink(missing_ok=True)
            return False
    return True


def _copy(source: Any, kept: list[Any], target: Path, name: str, texts: Mapping[str, str]) -> None:
    with writing.output(target, name, {**source.metadata, **texts}) as container:
        outputs = {stream.index: container.add_stream_from_template(stream, opaque=True) for stream in kept}
        for stream in kept:
            if stream.type == "video" and stream.average_rate and stream.average_rate == stream.base_rate:
                outputs[stream.index].codec_context.framerate = stream.average_rate
        for packet in source.demux(kept):
            if packet.dts is not None:
                packet.stream = outputs[packet.stream.index]
                container.mux(packet)
