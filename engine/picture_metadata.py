"""Texts that ComfyUI writes into pictures: PNG text chunks, and EXIF in WEBP, JPEG and PNG. Nothing is decoded."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

MAX_TEXT_BYTES = 64 * 2**20
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
RIFF_MAGIC = b"RIFF"
HEAD_BYTES = 12

_EXIF_HEAD = b"Exif\x00\x00"
_EXIF_DIRECTORY = 0x8769
_USER_COMMENT = 0x9286
_NAMED = re.compile(r"\s*(prompt|workflow)\s*:\s*(?=\{)", re.IGNORECASE)
_CHARSETS = {b"ASCII\0\0\0": "ascii", b"UNICODE\0": "utf-16", b"\0" * 8: "utf-8"}


def picture_kind(head: bytes) -> str | None:
    """``PNG``, ``JPEG`` or ``WEBP`` by a file's first ``HEAD_BYTES``; ``None`` for anything else."""
    if head.startswith(PNG_MAGIC):
        return "PNG"
    if head.startswith(JPEG_MAGIC):
        return "JPEG"
    return "WEBP" if head.startswith(RIFF_MAGIC) and head[8:12] == b"WEBP" else None


def read_picture_texts(file: BinaryIO) -> dict[str, str]:
    """Texts by keyword: ``prompt`` (API form), ``workflow`` (UI form) and what else a PNG names.

    Pixels are skipped, not read. A truncated file gives the texts before the break.
    """
    kind = picture_kind(file.read(HEAD_BYTES))
    file.seek(len(PNG_MAGIC) if kind == "PNG" else 2 if kind == "JPEG" else HEAD_BYTES)
    texts: dict[str, str] = {}
    readers = {"PNG": _png_texts, "JPEG": _jpeg_texts, "WEBP": _webp_texts}
    for keyword, text in readers[kind](file) if kind else ():
        texts.setdefault(keyword, text)
    return texts


def _png_texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if kind in _PNG_READERS and size <= MAX_TEXT_BYTES:
            data = file.read(size)
            if len(data) < size:
                return
            file.seek(4, 1)  # its checksum
            yield from _PNG_READERS[kind](data)
        else:
            file.seek(size + 4, 1)


def _plain_text(data: bytes) -> Iterator[tuple[str, str]]:
    keyword, _, text = data.partition(b"\0")
    yield keyword.decode("latin-1"), _decoded(text)


def _compressed_text(data: bytes) -> Iterator[tuple[str, str]]:
    keyword, _, rest = data.partition(b"\0")
    if (text := _inflated(rest[1:])) is not None:
        yield keyword.decode("latin-1"), _decoded(text)


def _international_text(data: bytes) -> Iterator[tuple[str, str]]:
    keyword, _, rest = data.partition(b"\0")
    _language, _, translated = rest[2:].partition(b"\0")
    _translation, _, text = translated.partition(b"\0")
    plain = _inflated(text) if rest[:1] == b"\1" else text
    if plain is not None:
        yield keyword.decode("latin-1"), _decoded(plain)


def _inflated(data: bytes) -> bytes | None:
    """What zlib data hold; ``None`` for broken data, and for more than a workflow can be."""
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, MAX_TEXT_BYTES)
    except zlib.error:
        return None
    return None if inflater.unconsumed_tail else text


def _webp_texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    while len(head := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        if kind == b"EXIF" and size <= MAX_TEXT_BYTES:
            yield from _exif_texts(file.read(size))
            file.seek(size % 2, 1)
        else:
            file.seek(size + size % 2, 1)


def _jpeg_texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    while len(head := file.read(4)) == 4:
        mark, kind, size = struct.unpack(">BBH", head)
        if mark != 0xFF or kind == 0xDA or size < 2:  # the pixels begin
            return
        data = file.read(size - 2)
        if kind == 0xE1 and data.startswith(_EXIF_HEAD):
            yield from _exif_texts(data)


def _exif_texts(data: bytes) -> Iterator[tuple[str, str]]:
    """Texts of the form ``prompt:{...}`` in any tag, and JSON in the user comment, whose members are the texts."""
    data = data.removeprefix(_EXIF_HEAD)
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return
    directories = [struct.unpack_from(order + "I", data, 4)[0]]
    seen: set[int] = set()
    while directories:
        start = directories.pop()
        if start in seen:
            continue
        seen.add(start)
        for tag, value in _exif_entries(data, start, order):
            if tag == _EXIF_DIRECTORY and len(value) == 4:
                directories.append(struct.unpack(order + "I", value)[0])
            elif tag == _USER_COMMENT and value[:8] in _CHARSETS:
                yield "comment", value[8:].decode(_comment_charset(value), "replace").strip("\0 ")
            else:
                text = _decoded(value.split(b"\0", 1)[0])
                if named := _NAMED.match(text):
                    yield named[1].lower(), text[named.end() :]


def _comment_charset(value: bytes) -> str:
    """The encoding of a user comment; writers disagree on UTF-16's byte order, but a workflow begins with a brace."""
    charset = _CHARSETS[value[:8]]
    if charset == "utf-16" and value[8:10] in (b"{\0", b"\0{"):
        return "utf-16-le" if value[8:9] == b"{" else "utf-16-be"
    return charset


def _exif_entries(data: bytes, start: int, order: str) -> Iterator[tuple[int, bytes]]:
    """(tag, raw value) of a directory's texts, byte strings and offsets."""
    if start + 2 > len(data):
        return
    (count,) = struct.unpack_from(order + "H", data, start)
    for index in range(count):
        at = start + 2 + 12 * index
        if at + 12 > len(data):
            return
        tag, kind, length = struct.unpack_from(order + "HHI", data, at)
        if kind == 4 and length == 1:
            yield tag, data[at + 8 : at + 12]
        elif kind in (1, 2, 7):
            offset = at + 8 if length <= 4 else struct.unpack_from(order + "I", data, at + 8)[0]
            yield tag, data[offset : offset + length]


def _decoded(text: bytes) -> str:
    """UTF-8 if it is that (ComfyUI's always is), else Latin-1, which PNG prescribes."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


_PNG_READERS = {
    b"tEXt": _plain_text,
    b"zTXt": _compressed_text,
    b"iTXt": _international_text,
    b"eXIf": _exif_texts,
    b"comf": _plain_text,  # ComfyUI's own chunk, in animated PNGs
}
