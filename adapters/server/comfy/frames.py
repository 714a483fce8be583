"""Binary messages: four bytes of type, big-endian, then the type's own header, then a picture file."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

PREVIEW_IMAGE = 1
PREVIEW_IMAGE_WITH_METADATA = 4
_FORMATS = {"image/jpeg": 1, "image/png": 2}


def picture_frame(picture: bytes, media_type: str) -> bytes:
    """Type 1: the picture's format as a number (1 JPEG, 2 PNG), then the picture."""
    return struct.pack(">II", PREVIEW_IMAGE, _FORMATS[media_type]) + picture


def picture_frame_with_metadata(picture: bytes, media_type: str, metadata: Mapping[str, Any]) -> bytes:
    """Type 4: the length of the metadata, the metadata as JSON, then the picture."""
    text = json.dumps({**metadata, "image_type": media_type}).encode()
    return struct.pack(">II", PREVIEW_IMAGE_WITH_METADATA, len(text)) + text + picture
