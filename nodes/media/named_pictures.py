"""What a picture input names: a file in the input folder, or the bytes of a data URL."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from engine.errors import InputInvalid
from engine.folders import Folders

ENCODED = "give the bytes of a picture file as base64 text"


def find(folders: Folders, name: str) -> Path | bytes:
    """What an ``image`` input names: a file in the input folder (``name [output]`` too), or a data URL's bytes."""
    return from_base64(name, input="image") if name.startswith("data:") else folders.find_input(name)


def from_base64(text: str, *, input: str) -> bytes:
    """The bytes of a data URL or of bare base64 text. Raises ``InputInvalid`` for anything else."""
    head, comma, body = text.partition(",")
    if head.startswith("data:") and not (comma and head.endswith(";base64")):
        raise InputInvalid("a data URL must be 'data:image/...;base64,...'", input=input, remedy=ENCODED)
    try:
        encoded = "".join((body if comma else head).split())
        data = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputInvalid(f"the text is not base64: {error}", input=input, remedy=ENCODED) from error
    if not data:
        raise InputInvalid("the base64 text holds nothing", input=input, remedy=ENCODED)
    return data
