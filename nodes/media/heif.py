"""HEIC and HEIF stills by libheif (``pi-heif``, which decodes only): tiles, turns, ten bits and alpha included."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from engine.errors import InputInvalid
from nodes.media import tone
from nodes.media.colour import BT2020, Meaning

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_GENERAL = frozenset({b"mif1", b"msf1", b"mif2", b"miaf"})
_TRANSFERS = {16: "pq", 18: "hlg"}
_PRIMARIES = {9: "bt2020"}
WITHOUT = "install pi-heif, or convert the picture to JPEG or PNG"


def is_heif(head: bytes) -> bool:
    """Whether a file that starts so is a HEIF still, and no AVIF."""
    if head[4:8] != b"ftyp":
        return False
    major, others = head[8:12], {head[at : at + 4] for at in range(16, len(head) - 3, 4)}
    return major in _BRANDS or (major in _GENERAL and b"avif" not in others and bool(others & _BRANDS))


def read(file: BinaryIO, name: str, max_pixels: int, hdr: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The primary picture, upright: float32[height, width, 3], and float32[height, width] where it has alpha.

    Raises ``InputInvalid`` where it has too many pixels, or where libheif is not installed; ``ValueError`` for a
    damaged file.
    """
    try:
        import pi_heif
    except ImportError as error:
        raise InputInvalid(f"{name} is HEIC, which pi-heif reads", input="image", remedy=WITHOUT) from error

    found = pi_heif.open_heif(file, convert_hdr_to_8bit=False)
    picture = found[found.primary_index]
    width, height = picture.size
    if width * height > max_pixels:
        raise InputInvalid(
            f"{name} ({width}x{height}) has more than {max_pixels:,} pixels", input="image", remedy="make it smaller"
        )
    levels = np.asarray(picture)
    deep = levels.dtype == np.uint16
    pixels = levels.astype(np.float32) / np.float32(65535.0 if deep else 255.0)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    colours = picture.info.get("nclx_profile") or {}
    transfer = _TRANSFERS.get(int(colours.get("transfer_characteristics", 2)), "sdr")
    primaries = _PRIMARIES.get(int(colours.get("color_primaries", 1)), "bt709")
    meaning = Meaning(BT2020, True, transfer, primaries, 16 if deep else 8, pixels.shape[2] == 4)
    rgb = pixels[..., :3] if meaning.standard or hdr != "sdr" else tone.to_sdr(pixels[..., :3], meaning)
    return rgb, pixels[..., 3] if meaning.alpha else None
