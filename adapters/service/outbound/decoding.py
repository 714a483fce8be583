"""Undoing Content-Encoding in small pieces, so that a compressed bomb is noticed before it is unpacked."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from adapters.service.outbound.errors import FetchFailed

PIECE_BYTES = 64 * 1024
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class BodyDecoder:
    """Decodes a body chunk by chunk. ``encoding``: the Content-Encoding header, ``identity`` where there is none."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower() or "identity"
        if self._encoding not in ("identity", *_WINDOWS):
            raise FetchFailed(f"the answer is encoded as '{encoding[:40]}'", remedy="it was asked for as it is")
        self._inflate = self._fresh()

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Pieces of at most 64 KiB. Raises ``FetchFailed`` for a damaged stream."""
        if self._encoding == "identity":
            yield chunk
            return
        while chunk:
            if self._inflate.eof:  # Another member of a gzip file follows.
                self._inflate = self._fresh()
            try:
                piece = self._inflate.decompress(chunk, PIECE_BYTES)
            except zlib.error as error:
                raise FetchFailed(f"the answer is damaged: {error}") from error
            chunk = self._inflate.unconsumed_tail or self._inflate.unused_data
            if piece:
                yield piece

    def finish(self) -> Iterator[bytes]:
        """What is left at the end. Raises ``FetchFailed`` where the stream stops half way."""
        if self._encoding == "identity":
            return
        if rest := self._inflate.flush(PIECE_BYTES):
            yield rest
        if not self._inflate.eof:
            raise FetchFailed("the answer stops half way")

    def _fresh(self) -> zlib._Decompress:
        return zlib.decompressobj(_WINDOWS.get(self._encoding, zlib.MAX_WBITS))
