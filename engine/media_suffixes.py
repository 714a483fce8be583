"""What kind of media a file is, by its name: which files an input offers that takes pictures, films or sound."""

from __future__ import annotations

from collections.abc import Mapping

PICTURES = frozenset(
    {"png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "dib", "tif", "tiff", "avif", "heic", "heif"}
    | {"hif", "jxl", "exr", "jp2", "j2k", "psd", "qoi", "tga", "ico", "ppm", "pgm", "pbm", "pnm", "dds", "pcx", "sgi"}
    | {"mpo"}
)
FILMS = frozenset(
    {"mp4", "m4v", "mov", "qt", "webm", "mkv", "avi", "wmv", "asf", "flv", "f4v", "3gp", "3g2", "mpg", "mpeg", "mpe"}
    | {"m2v", "vob", "ts", "mts", "m2ts", "mxf", "ogv", "dv", "rm", "rmvb", "nut", "ivf", "y4m", "amv"}
)
SOUNDS = frozenset(
    {
        "wav",
        "wave",
        "w64",
        "flac",
        "mp3",
        "m4a",
        "m4b",
        "aac",
        "ogg",
        "oga",
        "opus",
        "wma",
        "aiff",
        "aif",
        "aifc",
        "caf",
    }
    | {"caf", "au", "snd", "amr", "ac3", "eac3", "ape", "wv", "tta", "mka", "mp2", "weba"}
)
# Animations can be loaded as films, too; a film's sound as sound.
_OFFERED: Mapping[str, frozenset[str]] = {
    "image": PICTURES,
    "video": FILMS | {"gif", "apng", "avif"},
    "audio": SOUNDS | FILMS,
}


def is_offered(name: str, upload: str | None) -> bool:
    """Whether a file of this name is among the choices of an input with this kind of upload; any is without one."""
    known = _OFFERED.get(upload or "")
    return known is None or name.rpartition(".")[2].lower() in known
