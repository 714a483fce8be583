"""Binary messages: four bytes of type, big-endian, then the type's own header, then a picture file."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

PREVIEW_IMAGE = 1
PREVIEW_IMAGE_WITH_METADATA = 4
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_FORMATS = {"image/jpeg": 1, "image/png": 2}


def picture_frame(picture: bytes, media_type: str) -> bytes:
    """Type 1: the picture's format as a number (1 JPEG, 2 PNG), then the picture."""
    return struct.pack(">II", PREVIEW_IMAGE, _FORMATS[media_type]) + picture


def picture_frame_with_metadata(picture: bytes, media_type: str, metadata: Mapping[str, Any]) -> bytes:
    """Type 4: the length of the metadata, the metadata as JSON, then the picture."""
    text = json.dumps({**metadata, "image_type": media_type}).encode()
    return struct.pack(">II", PREVIEW_IMAGE_WITH_METADATA, len(text)) + text + picture


def without_texts(png: bytes) -> bytes:
    """The same picture without the workflow that nodes write into files, as ComfyUI sends it. Other files stay."""
    if not png.startswith(_PNG_HEAD):
        return png
    kept, at = [_PNG_HEAD], len(_PNG_HEAD)
    while at + 12 <= len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4])  # length, kind, data, checksum
        if png[at + 4 : at + 8] not in _TEXT_CHUNKS:
            kept.append(png[at:end])
        at = end
    return b"".join(kept)
