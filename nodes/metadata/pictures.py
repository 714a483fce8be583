"""Texts in picture files, where ComfyUI writes them: text chunks of PNGs, ``comf`` chunks of animated ones, EXIF."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_EXIF_MAKE, _EXIF_MODEL = 0x010F, 0x0110
_EXIF_ASCII = 2
_VP8X_EXIF, _VP8X_ALPHA = 0x08, 0x10


def png(source: Path, target: Path, texts: Mapping[str, str]) -> None:
    """A PNG with ``texts`` as tEXt chunks before its pixels."""
    with source.open("rb") as file, target.open("xb") as copy:
        copy.write(file.read(len(_PNG_MAGIC)))
        copy.write(_next_chunk(file))  # IHDR comes first
        for keyword, text in texts.items():
            copy.write(_chunk(*_text_chunk(keyword, text)))
        shutil.copyfileobj(file, copy)


def animated_png(source: Path, target: Path, texts: Mapping[str, str]) -> None:
    """An animated PNG with ``texts`` in ``comf`` chunks after its pixels."""
    with source.open("rb") as file, target.open("xb") as copy:
        copy.write(file.read(len(_PNG_MAGIC)))
        while chunk := _next_chunk(file):
            if chunk[4:8] == b"IEND":
                for keyword, text in texts.items():
                    copy.write(_chunk(b"comf", _latin(keyword) + b"\0" + _latin(text)))
            copy.write(chunk)


def webp(source: Path, target: Path, texts: Mapping[str, str]) -> None:
    """A WEBP with ``texts`` in EXIF: ``prompt`` as the camera's model, others as its make and the tags below that."""
    exif = _exif(texts)
    with source.open("rb") as file, target.open("xb") as copy:
        copy.write(b"RIFF\0\0\0\0WEBP")
        for kind, data in _with_header(list(_riff_chunks(file))):
            copy.write(_riff_chunk(kind, data))
        copy.write(_riff_chunk(b"EXIF", exif))
        size = copy.tell()
        copy.seek(4)
        copy.write(struct.pack("<I", size - 8))


def _next_chunk(file: BinaryIO) -> bytes:
    """The whole chunk, with its length, kind and checksum; nothing at the end."""
    head = file.read(8)
    return head + file.read(int.from_bytes(head[:4]) + 4) if len(head) == 8 else b""


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _text_chunk(keyword: str, text: str) -> tuple[bytes, bytes]:
    """Latin-1 is tEXt; what is not, is iTXt in UTF-8."""
    try:
        return b"tEXt", _latin(keyword) + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", _latin(keyword) + b"\0\0\0\0\0" + text.encode("utf-8", "replace")


def _latin(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _riff_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        yield kind, file.read(size)
        file.seek(size % 2, 1)


def _riff_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _with_header(chunks: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The chunks with the extended header that says that there is EXIF; a plain picture gets one."""
    kind, data = chunks[0]
    if kind == b"VP8X":
        return [(kind, bytes([data[0] | _VP8X_EXIF]) + data[1:]), *chunks[1:]]
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    else:  # VP8: its frame header has width and height less two bits for scaling, and no alpha
        width, height = (one & 0x3FFF for one in struct.unpack_from("<HH", data, 6))
        width, height, alpha = width - 1, height - 1, 0
    flags = _VP8X_EXIF | (_VP8X_ALPHA if alpha else 0)
    header = struct.pack("<I", flags) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    return [(b"VP8X", header), *chunks]


def _exif(texts: Mapping[str, str]) -> bytes:
    entries: dict[int, bytes] = {}
    tag = _EXIF_MAKE
    for keyword, text in texts.items():
        if keyword == "prompt":
            entries[_EXIF_MODEL] = f"prompt:{text}".encode("utf-8", "replace")
        else:
            entries[tag] = f"{keyword}:{text}".encode("utf-8", "replace")
            tag -= 1
    return _tiff(entries)


def _tiff(entries: Mapping[int, bytes]) -> bytes:
    """One directory of texts, little-endian, with the head that WEBP's readers expect."""
    directory, data = b"", b""
    start = 8 + 2 + 12 * len(entries) + 4
    for tag, text in sorted(entries.items()):
        value = text + b"\0"
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", start + len(data))
        directory += struct.pack("<HHI", tag, _EXIF_ASCII, len(value)) + place
        data += value + b"\0" * (len(value) % 2) if len(value) > 4 else b""
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return b"Exif\0\0" + head + directory + b"\0\0\0\0" + data
