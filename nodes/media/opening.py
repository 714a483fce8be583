"""Opening media files: only kinds that lie in one file, tracks that can be decoded, errors without paths."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from engine.errors import InputInvalid

# Containers that hold all they need. Playlists, for one, would have the library open what they name.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,asf,ogg,mxf,gif,apng,nut,ivf,h264,hevc,obu,av1,"
    "m4v,dv,rm,wtv,swf,y4m,yuv4mpegpipe,wav,w64,rf64,flac,mp3,aac,ac3,eac3,aiff,au,caf,amr,ape,tta,wv,tak,mpc,mpc8,dsf,"
    "voc,avif,webp_anim"
)
# Of one frame. Without it, a cover of 16,000 x 16,000 would be decoded just to see what the file holds.
MAX_PIXELS = 2**26
_OPTIONS = {"format_whitelist": CONTAINERS, "max_pixels": str(MAX_PIXELS)}
FILM = "give a complete film file with pictures in it"
SOUND = "give a complete sound file, or a film with sound"


def reason(error: Exception) -> str:
    """What a library's error says, without the file's place on this machine."""
    if isinstance(error, av.ArgumentError):
        return "the file is of another kind"
    return getattr(error, "strerror", None) or type(error).__name__


@contextmanager
def opened(path: Path, input: str = "video") -> Iterator[Any]:
    """The file as a container to read. Raises ``InputInvalid``, which names the file and ``input``, for what is none.

    Errors of the library while the container is read become ``InputInvalid`` too.
    """
    what, remedy = ("sound file", SOUND) if input == "audio" else ("film", FILM)
    try:
        container = av.open(str(path), options=_OPTIONS, metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise InputInvalid(
            f"'{path.name}' is no readable {what}, or is cut off: {reason(error)}", input=input, remedy=remedy
        ) from error
    with container:
        try:
            yield container
        except av.FFmpegError as error:
            raise InputInvalid(
                f"'{path.name}' is damaged or truncated: {reason(error)}", input=input, remedy=remedy
            ) from error


def picture_track(container: Any, path: Path) -> Any:
    """The film's pictures: the first track that is no cover; of an AVIF, the one with most pictures.

    Raises ``InputInvalid`` where there is none, or none that can be decoded here.
    """
    tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
    if not tracks:
        raise InputInvalid(f"'{path.name}' holds no pictures", input="video", remedy=FILM)
    known = [track for track in tracks if track.codec_context is not None]
    if not known:
        raise InputInvalid(
            f"the pictures of '{path.name}' are of a kind that cannot be decoded here",
            input="video",
            remedy="convert the film to H.264, HEVC, VP9 or AV1",
        )
    most = max(known, key=lambda track: track.frames)
    track = most if most.codec.canonical_name == "av1" else known[0]
    if track.width * track.height > MAX_PIXELS:
        raise InputInvalid(
            f"the pictures of '{path.name}' ({track.width}x{track.height}) have more than {MAX_PIXELS:,} pixels each",
            input="video",
            remedy="make it smaller",
        )
    return track


def sound_track(container: Any) -> Any | None:
    """The first sound track that can be decoded; ``None`` where there is none."""
    return next((track for track in container.streams.audio if track.codec_context is not None), None)


def undecodable_tracks(container: Any) -> int:
    """How many sound tracks are of a kind that nothing here decodes."""
    return sum(1 for track in container.streams.audio if track.codec_context is None)
