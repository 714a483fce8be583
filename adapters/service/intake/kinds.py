"""What a file is, by its first bytes: the kinds that nodes load, and those that are refused by name."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 64
_SAFETENSORS_HEADER_LIMIT = 100_000_000


@dataclass(frozen=True, slots=True)
class Kind:
    """``suffixes``: those that files of the kind have; the first is given where a name has none of them."""

    media_type: str
    suffixes: tuple[str, ...]

    def suffix_for(self, name: str) -> str:
        """The suffix of ``name`` where it fits, else the usual one."""
        return next((suffix for suffix in self.suffixes if name.lower().endswith(suffix)), self.suffixes[0])


PNG = Kind("image/png", (".png", ".apng"))
JPEG = Kind("image/jpeg", (".jpg", ".jpeg", ".jfif"))
WEBP = Kind("image/webp", (".webp",))
GIF = Kind("image/gif", (".gif",))
BMP = Kind("image/bmp", (".bmp",))
TIFF = Kind("image/tiff", (".tiff", ".tif"))
AVIF = Kind("image/avif", (".avif",))
SAFETENSORS = Kind("application/octet-stream", (".safetensors", ".latent", ".sft"))
_MP4 = Kind("video/mp4", (".mp4", ".m4v", ".mov"))
_MOV = Kind("video/quicktime", (".mov",))
_M4A = Kind("audio/mp4", (".m4a",))
_WEBM = Kind("video/webm", (".webm", ".mkv"))
_AVI = Kind("video/x-msvideo", (".avi",))
_WAV = Kind("audio/wav", (".wav",))
_MP3 = Kind("audio/mpeg", (".mp3",))
_AAC = Kind("audio/aac", (".aac",))
_FLAC = Kind("audio/flac", (".flac",))
_OGG = Kind("audio/ogg", (".ogg", ".opus", ".oga", ".ogv"))

_BY_START = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"\x1a\x45\xdf\xa3", _WEBM),
    (b"fLaC", _FLAC),
    (b"OggS", _OGG),
    (b"ID3", _MP3),
    (b"BM", BMP),
)
_BY_RIFF_FORM = {b"WEBP": WEBP, b"WAVE": _WAV, b"AVI ": _AVI}
_BY_BRAND = {b"avif": AVIF, b"avis": AVIF, b"qt  ": _MOV, b"M4A ": _M4A, b"M4B ": _M4A}
_PICTURE_BRANDS_NOT_READ = frozenset({b"heic", b"heix", b"hevc", b"mif1", b"msf1"})


def kind_of(head: bytes) -> Kind | None:
    """The kind of file that starts with ``head`` (:data:`HEAD_BYTES`, or the whole file); ``None``: none of ours."""
    if head[:4] == b"RIFF":
        return _BY_RIFF_FORM.get(head[8:12])
    if head[4:8] == b"ftyp" and len(head) >= 12:
        brand = head[8:12]
        if brand in _PICTURE_BRANDS_NOT_READ:
            return AVIF if b"avif" in head[16:] else None
        return _BY_BRAND.get(brand, _MP4)
    # The header's length, then its JSON; before "BM", which could be such a length.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _SAFETENSORS_HEADER_LIMIT:
        return SAFETENSORS
    known = next((kind for start, kind in _BY_START if head.startswith(start)), None)
    return known or _mpeg_sound(head)


def refusal_of(head: bytes) -> str:
    """Why a file of no known kind is not taken."""
    if (head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5") or head[:4] == b"PK\3\4":
        return "it is, or may hold, a Python pickle, which can run any program when it is read"
    if head[4:8] == b"ftyp":
        return "HEIC pictures are not read"
    if head[:2] == b"\x1f\x8b":
        return "it is compressed with gzip"
    return "it is no picture, video, sound or safetensors file that is read here"


def _mpeg_sound(head: bytes) -> Kind | None:
    """Frames without a tag before them: 11 set bits; then version, layer and rates that exist."""
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return _AAC
    layer, rate, sampling = head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return _MP3 if layer == 1 and rate not in (0, 15) and sampling != 3 else None
