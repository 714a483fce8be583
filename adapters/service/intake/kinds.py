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
HEIC = Kind("image/heic", (".heic", ".heif", ".hif"))
SAFETENSORS = Kind("application/octet-stream", (".safetensors", ".latent", ".sft"))
_MP4 = Kind("video/mp4", (".mp4", ".m4v", ".mov"))
_JXL = Kind("image/jxl", (".jxl",))
_EXR = Kind("image/x-exr", (".exr",))
_MPEG_TS = Kind("video/mp2t", (".ts", ".mts", ".m2ts"))
_FLV = Kind("video/x-flv", (".flv",))
_WMV = Kind("video/x-ms-wmv", (".wmv", ".wma", ".asf"))
_3GP = Kind("video/3gpp", (".3gp", ".3g2", ".mp4"))
_AIFF = Kind("audio/aiff", (".aiff", ".aif", ".aifc"))
_CAF = Kind("audio/x-caf", (".caf",))
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
    (b"\xff\x0a", _JXL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", _JXL),
    (b"\x76\x2f\x31\x01", _EXR),
    (b"FLV\x01", _FLV),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _WMV),
    (b"caff", _CAF),
)
_BY_FORM = {b"WEBP": WEBP, b"WAVE": _WAV, b"AVI ": _AVI, b"AIFF": _AIFF, b"AIFC": _AIFF}
_BY_BRAND = {b"avif": AVIF, b"avis": AVIF, b"qt  ": _MOV, b"M4A ": _M4A, b"M4B ": _M4A}
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_GENERAL_BRANDS = frozenset({b"mif1", b"msf1", b"mif2", b"miaf"})


def kind_of(head: bytes) -> Kind | None:
    """The kind of file that starts with ``head`` (:data:`HEAD_BYTES`, or the whole file); ``None``: none of ours."""
    if head[:4] in (b"RIFF", b"FORM"):
        return _BY_FORM.get(head[8:12])
    if head[4:8] == b"ftyp" and len(head) >= 12:
        return _by_brand(head[8:12], head[16:])
    # The header's length, then its JSON; before "BM", which could be such a length.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _SAFETENSORS_HEADER_LIMIT:
        return SAFETENSORS
    known = next((kind for start, kind in _BY_START if head.startswith(start)), None)
    if known is None and _is_transport_stream(head):
        return _MPEG_TS
    return known or _mpeg_sound(head)


def _by_brand(brand: bytes, others: bytes) -> Kind:
    """An ISO base media file: a picture, a film or sound, by its brands."""
    # Readers go by any of the brands that it is compatible with.
    if any(others[at : at + 4] in (b"avif", b"avis") for at in range(0, len(others) - 3, 4)):
        return AVIF
    if brand in _HEIC_BRANDS | _GENERAL_BRANDS:
        return HEIC
    return _3GP if brand.startswith((b"3gp", b"3g2")) else _BY_BRAND.get(brand, _MP4)


def refusal_of(head: bytes) -> str:
    """Why a file of no known kind is not taken."""
    if (head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5") or head[:4] == b"PK\3\4":
        return "it is, or may hold, a Python pickle, which can run any program when it is read"
    if head[:2] == b"\x1f\x8b":
        return "it is compressed with gzip"
    return "it is no picture, video, sound or safetensors file that is read here"


def _is_transport_stream(head: bytes) -> bool:
    """Packets of 188 bytes, or of 192 with a time before each; the first holds a table, which tells them from text."""
    packet = head if head[:1] == b"G" else head[4:]
    return len(packet) > 4 and packet[0] == 0x47 and packet[1] & 0xC0 == 0x40 and packet[3] & 0x10 != 0


def _mpeg_sound(head: bytes) -> Kind | None:
    """Frames without a tag before them: 11 set bits; then version, layer and rates that exist."""
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return _AAC
    layer, rate, sampling = head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return _MP3 if layer == 1 and rate not in (0, 15) and sampling != 3 else None
