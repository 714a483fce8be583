"""Film files: reading frames and sound, writing MP4 and WEBM, copying without loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from engine.errors import InputInvalid
from engine.types import Audio, Video
from nodes.pictures import encode, sound

# All frames together: 26 GB as float32.
MAX_PIXELS = 2**31
REMEDY = "give a complete film file with pictures in it"
WEBM_CODECS = {"vp9": ("libvpx-vp9", "yuv420p", {}), "av1": ("libsvtav1", "yuv420p10le", {"preset": "6"})}


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """Decoded film: ``frames`` float32[frames, height, width, 3], ``frame_rate`` in frames a second."""

    frames: Tensor
    frame_rate: Fraction
    audio: Audio | None


def components(video: Video) -> Film:
    """A film's frames, frame rate and sound. Raises ``InputInvalid`` for a file without frames."""
    if video.frames is not None and video.frame_rate is not None:
        return Film(video.frames.pixels, video.frame_rate, video.audio)
    assert video.file is not None
    return read(video.file)


def size(video: Video) -> tuple[int, int]:
    """(width, height) in pixels."""
    if video.frames is not None:
        height, width = video.frames.pixels.shape[1:3]
        return width, height
    assert video.file is not None
    with _opened(video.file) as container:
        stream = _picture_stream(container, video.file)
        return stream.width, stream.height


def read(path: Path) -> Film:
    """Decode a whole file. Raises ``InputInvalid`` where it is none, is damaged, has no frames or too many pixels."""
    frames: list[np.ndarray] = []
    with _opened(path) as container:
        stream = _picture_stream(container, path)
        try:
            for frame in container.decode(stream):
                if (len(frames) + 1) * frame.width * frame.height > MAX_PIXELS:
                    raise InputInvalid(
                        f"'{path.name}' has more than {MAX_PIXELS:,} pixels",
                        input="video",
                        remedy="shorten it or make it smaller",
                    )
                frames.append(frame.to_ndarray(format="rgb24"))
            rate = Fraction(stream.average_rate) if stream.average_rate else Fraction(1)
            audio = None
            if frames and container.streams.audio:
                container.seek(0)
                audio = sound.decode(container)
        except av.FFmpegError as error:
            raise InputInvalid(
                f"'{path.name}' is damaged or truncated: {error}", input="video", remedy=REMEDY
            ) from error
    if not frames:
        raise InputInvalid(f"'{path.name}' holds no frames", input="video", remedy=REMEDY)
    pixels = torch.empty(len(frames), *frames[0].shape)
    for target, levels in zip(pixels, frames, strict=True):
        torch.div(torch.from_numpy(levels), 255.0, out=target)
    return Film(pixels, rate, audio)


def save(path: Path, video: Video, container: str, codec: str, texts: Mapping[str, str]) -> None:
    """Write MP4 with H.264; a file that already is what ``container`` and ``codec`` ask for is copied as it is."""
    if video.file is None or not _copied(video.file, path, container, codec, texts):
        write_mp4(path, components(video), texts)


def write_mp4(path: Path, film: Film, texts: Mapping[str, str]) -> None:
    """H.264 (4:2:0) and AAC in MP4; sound is cut at the last frame. Raises ``InputInvalid`` for odd sides."""
    _check_frames(film.frames, "video", even=True)
    rate = Fraction(round(film.frame_rate * 1000), 1000)
    with av.open(str(path), mode="w", format="mp4", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(texts)
        stream = _picture_output(container, "h264", rate, film.frames, "yuv420p")
        track, waveform = None, torch.zeros(0)
        if film.audio is not None:
            rate_hz = film.audio.sample_rate_hz
            waveform = film.audio.waveform[0][:, : math.ceil(rate_hz / rate * len(film.frames))]
            track = container.add_stream("aac", rate=rate_hz, layout=sound.layout(waveform))
        _mux_frames(container, stream, film.frames)
        if track is not None:
            container.mux(sound.encoded(track, waveform, track.rate))


def write_webm(path: Path, frames: Tensor, fps: float, codec: str, crf: float, texts: Mapping[str, str]) -> None:
    """VP9 or AV1 in WEBM at constant quality ``crf`` (0 best .. 63)."""
    _check_frames(frames, "images", even=False)
    name, pixel_format, options = WEBM_CODECS[codec]
    with av.open(str(path), mode="w", format="webm") as container:
        container.metadata.update(texts)
        stream = _picture_output(container, name, Fraction(round(fps * 1000), 1000), frames, pixel_format)
        stream.bit_rate = 0
        stream.options = {"crf": str(crf), **options}
        _mux_frames(container, stream, frames)


def _mux_frames(container: Any, stream: Any, frames: Tensor) -> None:
    for pixels in frames:
        frame = av.VideoFrame.from_ndarray(encode.levels(pixels[..., :3]), format="rgb24")
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _picture_output(container: Any, codec: str, rate: Fraction, frames: Tensor, pixel_format: str) -> Any:
    stream = container.add_stream(codec, rate=rate)
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = pixel_format
    return stream


def _check_frames(frames: Tensor, input: str, *, even: bool) -> None:
    count, height, width = frames.shape[:3]
    if count == 0:
        raise InputInvalid("there are no frames to write", input=input, remedy="give at least one picture")
    if even and (height % 2 or width % 2):
        raise InputInvalid(
            f"H.264 needs even sides, not {width}x{height}",
            input=input,
            remedy="crop or scale the frames to an even number of pixels",
        )


def _copied(path: Path, target: Path, container: str, codec: str, texts: Mapping[str, str]) -> bool:
    """Copy the streams of a film that is of the wanted kind; False where it is not, or where MP4 cannot hold it."""
    with _opened(path) as source:
        stream = _picture_stream(source, path)
        right_container = container == "auto" or container in source.format.name.split(",")
        if not right_container or codec not in ("auto", stream.codec.name):
            return False
        try:
            _copy_streams(source, target, texts)
        except (av.FFmpegError, ValueError):
            target.unlink(missing_ok=True)
            return False
    return True


def _copy_streams(source: Any, target: Path, texts: Mapping[str, str]) -> None:
    with av.open(str(target), mode="w", format="mp4", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update({**source.metadata, **texts})
        kept = [stream for stream in source.streams if stream.type in ("video", "audio", "subtitle")]
        outputs = {stream.index: container.add_stream_from_template(stream, opaque=True) for stream in kept}
        for packet in source.demux(kept):
            if packet.dts is not None:
                packet.stream = outputs[packet.stream.index]
                container.mux(packet)


def _opened(path: Path) -> Any:
    try:
        return av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputInvalid(f"'{path.name}' is no readable film: {error}", input="video", remedy=REMEDY) from error


def _picture_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise InputInvalid(f"'{path.name}' holds no pictures", input="video", remedy=REMEDY)
    return container.streams.video[0]
