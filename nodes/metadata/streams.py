"""Texts in sound and film files: the streams are copied as they are into a file whose head has the texts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from engine.encoded import Embed

# By the file's ending, what FFmpeg calls its container.
_CONTAINERS = {"flac": "flac", "mp3": "mp3", "opus": "opus", "mp4": "mp4", "mkv": "matroska", "webm": "webm"}


def embed(suffix: str) -> Embed:
    """For files with this ending, without a dot."""
    return partial(_copy, container=_CONTAINERS[suffix])


def _copy(source: Path, target: Path, texts: Mapping[str, str], container: str) -> None:
    import av

    # Without what would differ from time to time: the same texts make the same file.
    options = {"fflags": "+bitexact"} | ({"movflags": "use_metadata_tags+faststart"} if container == "mp4" else {})
    with av.open(str(source)) as file, av.open(str(target), mode="w", format=container, options=options) as copy:
        copy.metadata.update({**file.metadata, **texts})
        outputs = {stream.index: copy.add_stream_from_template(stream, opaque=True) for stream in file.streams}
        for stream in file.streams.video:
            if stream.codec.canonical_name == "hevc" and container == "mp4":
                outputs[stream.index].codec_context.codec_tag = stream.codec_context.codec_tag
            if stream.average_rate and stream.average_rate == stream.base_rate:
                # Else Matroska and WEBM would say nothing of it, and readers guess by times in whole milliseconds.
                outputs[stream.index].codec_context.framerate = stream.average_rate
        for stream in file.streams:
            outputs[stream.index].metadata.update(stream.metadata)  # that of VP9 says that there is alpha
        for packet in file.demux():
            if packet.dts is not None:
                packet.stream = outputs[packet.stream.index]
                copy.mux(packet)
