"""Saving a VIDEO: copied where it is what is wanted, else encoded anew from its file or from its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputInvalid
from engine.types import Video
from nodes.media import copying, film, images, transcoding, writing
from nodes.media.telling import NOBODY, NodeContext


@dataclass(frozen=True, slots=True)
class WantedFile:
    """``format``: ``auto``, ``mp4``, ``mkv`` or ``webm``; ``codec``: ``auto``, ``h264`` or ``av1``.

    ``crf`` (lower is better) or ``color_space`` (``sRGB``, ``HDR``, ``HDR PQ``) ask for the film to be encoded anew;
    ``None`` is as it comes.
    """

    format: str = "auto"
    codec: str = "auto"
    crf: float | None = None
    color_space: str | None = None

    @property
    def suffix(self) -> str:
        """Of the file, without a dot."""
        return "mp4" if self.format == "auto" else self.format

    @property
    def encoder(self) -> str:
        """The codec of what is encoded anew."""
        if self.codec != "auto":
            return self.codec
        return "av1" if self.format == "webm" else "h264"


def size(video: Video) -> tuple[int, int]:
    """(width, height) in pixels, as shown. Raises ``InputInvalid`` for a file without pictures."""
    if video.frames is not None:
        return images.size_of(video.frames)
    return film.of_video(video).size


def save(path: Path, video: Video, wanted: WantedFile, texts: Mapping[str, str], run: NodeContext = NOBODY) -> None:
    """Write ``video`` to ``path``, with ``texts`` as metadata. Raises ``InputInvalid`` for what cannot be written."""
    if wanted.format == "webm" and wanted.encoder not in ("av1", "vp9"):
        raise InputInvalid("a WEBM has no H.264", input="codec", remedy="choose the codec av1, or the format mp4")
    if video.file is None:
        _save_pictures(path, video, wanted, texts, run)
        return
    cut = bool(video.start_s) or video.duration_s is not None
    anew = cut or wanted.crf is not None or wanted.color_space is not None
    if not anew and copying.copied(video.file, path, wanted.format, wanted.codec, texts):
        return
    found = film.of_video(video, run)
    space = transcoding.color_space(found)
    if wanted.color_space not in (None, space):
        raise InputInvalid(
            f"the film is {space}, and is not converted to {wanted.color_space}",
            input="color_space",
            remedy=f"choose auto or {space}",
        )
    transcoding.transcode(found, path, wanted.suffix, writing.Encoding(wanted.encoder, wanted.crf), texts, run)


def _save_pictures(path: Path, video: Video, wanted: WantedFile, texts: Mapping[str, str], run: NodeContext) -> None:
    assert video.frames is not None and video.frame_rate is not None
    space = wanted.color_space or "sRGB"
    encoding = writing.Encoding(wanted.encoder, wanted.crf, max(video.bit_depth, 10 if space != "sRGB" else 8), space)
    images.write(path, wanted.suffix, video.frames, video.frame_rate, encoding, video.audio, texts, run)
