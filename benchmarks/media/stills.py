"""Stills as phones, cameras and browsers write them: four patches of colour."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import imagecodecs
import numpy as np
from PIL import Image as Pillow

from benchmarks.media.films import patches

Make = Callable[[Path], object]


def by_pillow(form: str, mode: str = "RGB", turn: int | None = None, **options: Any) -> Make:
    """By Pillow, with EXIF's orientation ``turn``; the patches as they are stored."""

    def make(path: Path) -> None:
        exif = Pillow.Exif()
        if turn is not None:
            exif[0x0112] = turn
        more = {**options, **({} if turn is None else {"exif": exif})}
        Pillow.fromarray(patches()).convert(mode).save(path, form, **more)

    return make


def see_through(form: str, **options: Any) -> Make:
    """Opaque above, and of alpha 64 below."""

    def make(path: Path) -> None:
        pixels = np.dstack([patches(), np.full(patches().shape[:2], 255, np.uint8)])
        pixels[len(pixels) // 2 :, :, 3] = 64
        Pillow.fromarray(pixels).save(path, form, **options)

    return make


def animation(form: str, frames: int = 4, **options: Any) -> Make:
    """The patches, and then greys, 100 ms each."""

    def make(path: Path) -> None:
        first = Pillow.fromarray(patches())
        others = [Pillow.new("RGB", first.size, (40 * n, 40 * n, 40 * n)) for n in range(1, frames)]
        first.save(path, form, save_all=True, append_images=others, **{"duration": 100, **options})

    return make


def deep_png(path: Path) -> None:
    """16 bits of RGB."""
    levels = patches().astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks))


def png_of_size(path: Path, width: int, height: int, data: bytes | None = None) -> None:
    """A small file that says that it is large. ``data``: its compressed rows."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data or zlib.compress(bytes(1000))), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks))


def black_png(path: Path, side: int) -> None:
    """A whole picture of ``side`` by ``side``, whose file is small."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + side * 3)) for _ in range(side)) + packer.flush()
    png_of_size(path, side, side, rows)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def deep_tiff(path: Path) -> None:
    """16 bits of RGB."""
    import tifffile

    tifffile.imwrite(path, patches().astype(np.uint16) * 257, photometric="rgb")


def grey_png(path: Path) -> None:
    """16 bits of grey: the mean of the patches' channels."""
    Pillow.fromarray((patches().mean(-1) * 257).astype(np.uint16)).save(path)


def jpeg_xl(path: Path) -> None:
    """Without loss."""
    path.write_bytes(imagecodecs.jpegxl_encode(patches(), lossless=True))


def exr(path: Path) -> None:
    """The patches' levels as floats."""
    with av.open(str(path), "w", format="image2") as out:
        stream = out.add_stream("exr", rate=1)
        stream.width, stream.height, stream.pix_fmt = *patches().shape[1::-1], "gbrpf32le"
        levels = patches().astype(np.float32) / 255
        out.mux(stream.encode(av.VideoFrame.from_ndarray(levels, format="gbrpf32le")))
