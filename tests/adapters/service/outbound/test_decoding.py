"""Content-Encoding is undone in small pieces."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.service.outbound.decoding import PIECE_BYTES, BodyDecoder
from adapters.service.outbound.errors import FetchFailed

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "identity": bytes,
    "": bytes,
}


def decoded(encoding: str, body: bytes, step: int = 1000) -> bytes:
    decoder = BodyDecoder(encoding)
    pieces = [piece for at in range(0, len(body), step) for piece in decoder.decode(body[at : at + step])]
    return b"".join([*pieces, *decoder.finish()])


@settings(deadline=None)
@given(st.sampled_from(sorted(ENCODERS)), st.binary(max_size=300), st.integers(1, 100), st.integers(1, 1000))
def test_what_was_encoded_is_decoded_however_it_arrives(encoding: str, data: bytes, times: int, step: int) -> None:
    assert decoded(encoding, ENCODERS[encoding](data * times), step) == data * times


@settings(deadline=None)
@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=100), st.data())
def test_a_stream_that_is_cut_off_is_refused(encoding: str, data: bytes, choose: st.DataObject) -> None:
    body = ENCODERS[encoding](data)
    with pytest.raises(FetchFailed):
        decoded(encoding, body[: choose.draw(st.integers(0, len(body) - 1))])


def test_a_bomb_is_unpacked_no_faster_than_it_is_read() -> None:
    bomb = gzip.compress(b"\0" * 10**8)
    tracemalloc.start()
    pieces = BodyDecoder("gzip").decode(bomb)
    sizes = [len(piece) for piece, _ in zip(pieces, range(50), strict=False)]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert set(sizes) == {PIECE_BYTES}
    assert peak_bytes < 2_000_000
