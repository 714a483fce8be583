"""HEIC and AVIF as phones write them, built box by box (ISO/IEC 23008-12): one picture, or tiles of one, turned."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation

from benchmarks.media.films import X265


@dataclass(frozen=True)
class _Coding:
    """``item``: the kind of item that a coded picture is; ``setup``: the box that its decoder is set up by."""

    brand: bytes
    item: bytes
    setup: bytes
    encoder: str
    options: Mapping[str, str]


_HEVC = _Coding(b"heic", b"hvc1", b"hvcC", "libx265", {"crf": "4", "x265-params": X265})
_AV1 = _Coding(b"avif", b"av01", b"av1C", "libsvtav1", {"crf": "5", "preset": "10"})


def heic(pixels: np.ndarray, tile: int | None = None, quarter_turns: int = 0) -> bytes:
    """A HEIC of uint8[height, width, 3], BT.709. ``tile``: side of its tiles; turned by ``irot`` counterclockwise."""
    return _file(_HEVC, pixels, tile, quarter_turns)


def avif(pixels: np.ndarray, tile: int | None = None, quarter_turns: int = 0) -> bytes:
    """The same as AVIF; tiles are 64 pixels a side or more."""
    return _file(_AV1, pixels, tile, quarter_turns)


def _file(coding: _Coding, pixels: np.ndarray, tile: int | None, quarter_turns: int) -> bytes:
    height, width = pixels.shape[:2]
    side = tile or 0
    parts = (
        [pixels]
        if tile is None
        else [pixels[y : y + side, x : x + side] for y in range(0, height, side) for x in range(0, width, side)]
    )
    coded = [_coded(coding, part) for part in parts]
    tiles = len(parts) if tile is not None else 0
    # Items 1 .. n are coded pictures; the grid, where there is one, comes after them and is the primary one.
    primary = len(parts) + 1 if tiles else 1
    payloads = [data for _, data in coded]
    if tiles:
        payloads.append(struct.pack(">BBBBHH", 0, 0, height // side - 1, width // side - 1, width, height))
    kinds = [coding.item] * len(parts) + [b"grid"] * bool(tiles)
    properties = [
        _box(coding.setup, coded[0][0]),
        _full(b"ispe", struct.pack(">II", *parts[0].shape[1::-1])),
        _full(b"ispe", struct.pack(">II", width, height)),
        _box(b"irot", bytes([quarter_turns])),
        _box(b"colr", b"nclx" + struct.pack(">HHHB", 1, 1, 1, 0)),
        _full(b"pixi", bytes([3, 8, 8, 8])),
    ]
    shown = [3, 4, 5, 6] if tiles else [1, 2, 4, 5, 6]
    links = [(item, shown if item == primary else [1, 2, 5, 6]) for item in range(1, len(payloads) + 1)]
    brands = _box(b"ftyp", coding.brand + struct.pack(">I", 0) + b"mif1" + coding.brand)
    sized = _meta(kinds, payloads, properties, links, primary, tiles, start=0)
    start = len(brands) + len(sized) + 8
    meta = _meta(kinds, payloads, properties, links, primary, tiles, start)
    return brands + meta + _box(b"mdat", b"".join(payloads))


def _coded(coding: _Coding, pixels: np.ndarray) -> tuple[bytes, bytes]:
    """(what sets up a decoder, the coded picture with lengths before its units), taken out of an MP4."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        stream = out.add_stream(coding.encoder, rate=1, options=dict(coding.options))
        stream.width, stream.height, stream.pix_fmt = pixels.shape[1], pixels.shape[0], "yuv420p"
        stream.codec_context.colorspace = 1
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=1,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=int(Interpolation.BILINEAR | Interpolation.ACCURATE_RND),
        )
        out.mux([*stream.encode(frame), *stream.encode(None)])
    data = buffer.getvalue()
    at = data.index(coding.setup)
    size = int.from_bytes(data[at - 4 : at], "big")
    buffer.seek(0)
    with av.open(buffer) as container:
        packet = next(p for p in container.demux(video=0) if p.size)
        return data[at + 4 : at - 4 + size], bytes(packet)


def _meta(
    kinds: list[bytes],
    payloads: list[bytes],
    properties: list[bytes],
    links: list[tuple[int, list[int]]],
    primary: int,
    tiles: int,
    start: int,
) -> bytes:
    entries, at = b"", start
    for item, data in enumerate(payloads, start=1):
        entries += struct.pack(">HHHII", item, 0, 1, at, len(data))
        at += len(data)
    infos = b"".join(
        _full(b"infe", struct.pack(">HH", item, 0) + kind + b"\0", version=2)
        for item, kind in enumerate(kinds, start=1)
    )
    uses = b"".join(
        struct.pack(">HB", item, len(which)) + bytes(0x80 | w if w in (1, 4) else w for w in which)
        for item, which in links
    )
    boxes = [
        _full(b"hdlr", b"\0\0\0\0pict" + b"\0" * 13),
        _full(b"pitm", struct.pack(">H", primary)),
        _full(b"iloc", struct.pack(">BBH", 0x44, 0, len(payloads)) + entries),
        _full(b"iinf", struct.pack(">H", len(kinds)) + infos),
        _box(b"iprp", _box(b"ipco", b"".join(properties)) + _full(b"ipma", struct.pack(">I", len(links)) + uses)),
    ]
    if tiles:
        reference = struct.pack(f">HH{tiles}H", primary, tiles, *range(1, tiles + 1))
        boxes.append(_full(b"iref", _box(b"dimg", reference)))
    return _full(b"meta", b"".join(boxes))


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + kind + data


def _full(kind: bytes, data: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]) + data)
