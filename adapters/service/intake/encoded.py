"""Files that come as text: base64, bare or in a data URL, read strictly and a piece at a time."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from adapters.service.intake.errors import InputRefused, InputTooLarge

# Decoding holds the interpreter: long texts are taken in pieces, so that other threads get their turns.
_PIECE_CHARS = 2**20
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_DATA_URL = re.compile(r"data:[^,]{0,200}?(?P<encoded>;base64)?,", re.IGNORECASE)
_WHITE_SPACE = b" \t\r\n"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_HEAD_CHARS = 256


def decode_text(name: str, text: str, max_bytes: int) -> Iterator[bytes]:
    """The bytes of base64 text, with or without ``data:...;base64,`` before it. Line breaks are let through.

    The alphabet for URLs is taken as well, which goes without padding.

    Raises ``InputRefused`` for what is no base64, ``InputTooLarge`` as soon as there are more than ``max_bytes``.
    """
    size_bytes = 0
    for piece in _pieces(name, text):
        size_bytes += len(piece)
        if size_bytes > max_bytes:
            raise InputTooLarge(name, f"it has more than {max_bytes:,} bytes", remedy="give a smaller file")
        yield piece


def _pieces(name: str, text: str) -> Iterator[bytes]:
    left, url_safe = b"", False
    for at in range(_start(name, text), len(text), _PIECE_CHARS):
        piece = _without_white_space(name, text[at : at + _PIECE_CHARS])
        encoded = left + piece.translate(_URL_SAFE)
        url_safe = url_safe or b"-" in piece or b"_" in piece
        whole = len(encoded) // 4 * 4
        # A group that may be the last stays for the next round, where anything after its padding is noticed.
        keep = whole - 4 if encoded[:whole].endswith(b"=") else whole
        if b"=" in encoded[:keep]:
            raise _no_base64(name, "there is more after its padding")
        yield _decoded(name, encoded[:keep])
        left = encoded[keep:]
    if url_safe and b"=" not in left:
        left += b"=" * (-len(left) % 4)
    yield _decoded(name, left)


def _start(name: str, text: str) -> int:
    """Where the base64 begins."""
    if text[:5].lower() != "data:":
        return 0
    head = _DATA_URL.match(text[:_HEAD_CHARS])
    if head is None or head["encoded"] is None:
        raise InputRefused(name, "it is no base64 data URL", remedy="write data:image/png;base64,...")
    return head.end()


def _without_white_space(name: str, text: str) -> bytes:
    try:
        return text.encode("ascii").translate(None, _WHITE_SPACE)
    except UnicodeEncodeError as error:
        raise _no_base64(name, f"it holds {text[error.start]!r}") from error


def _decoded(name: str, encoded: bytes) -> bytes:
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error as error:
        if found := _NO_BASE64.search(encoded):
            raise _no_base64(name, f"it holds {chr(found.group()[0])!r}") from error
        reason = "it is cut off" if len(encoded) % 4 and b"=" not in encoded else "its padding is wrong"
        raise _no_base64(name, reason) from error


def _no_base64(name: str, reason: str) -> InputRefused:
    return InputRefused(
        name,
        f"it is neither base64 nor an http(s) address: {reason}",
        remedy="give base64 with its padding, a data URL, or an address",
    )
