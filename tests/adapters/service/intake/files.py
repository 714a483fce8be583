"""Small files of every kind that an input may be."""

from __future__ import annotations

import io
import json
import random
import struct
import zlib

from PIL import Image as Pillow


def picture(form: str, width_px: int = 5, height_px: int = 3, **options: object) -> bytes:
    """A picture of that Pillow format."""
    file = io.BytesIO()
    noise = random.Random(0).randbytes(width_px * height_px * 3)
    Pillow.frombytes("RGB", (width_px, height_px), noise).save(file, form, **options)
    return file.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width_px: int, height_px: int, data: bytes = b"") -> bytes:
    """A PNG whose header says so."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def safetensors(size_bytes: int = 8, *, end: int | None = None) -> bytes:
    """A file of one tensor; ``end`` lies about where it ends."""
    entry = {"dtype": "F32", "shape": [size_bytes // 4], "data_offsets": [0, size_bytes if end is None else end]}
    header = json.dumps({"x": entry, "__metadata__": {"a": "b"}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * size_bytes


MP4 = b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + b"\0" * 100
MOV = b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + b"\0" * 100
M4A = b"\0\0\0\x14ftypM4A \0\0\0\0M4A " + b"\0" * 100
WEBM = b"\x1a\x45\xdf\xa3" + b"\0" * 100
AVI = b"RIFF\x20\0\0\0AVI LIST" + b"\0" * 100
WAV = b"RIFF\x20\0\0\0WAVEfmt " + b"\0" * 100
MP3 = b"ID3\x04" + b"\0" * 100
BARE_MP3 = b"\xff\xfb\x90\x00" + b"\0" * 100
AAC = b"\xff\xf1\x50\x80" + b"\0" * 100
TS = b"G\x40\x00\x10" + b"\0" * 184 + b"G"
THREE_GP = b"\0\0\0\x18ftyp3gp5\0\0\0\0isom3gp5" + b"\0" * 100
AIFF = b"FORM\0\0\0\x20AIFFCOMM" + b"\0" * 100
JXL = b"\xff\x0a" + b"\0" * 100
FLAC = b"fLaC" + b"\0" * 100
OGG = b"OggS" + b"\0" * 100
