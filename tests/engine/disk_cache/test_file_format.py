"""A file that is not exactly what was written, byte for byte, is told from one that is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.disk_cache.file_format import Damaged, from_bytes, to_bytes
from engine.disk_cache.values import Kinds
from engine.entry import Entry

KINDS = Kinds(())
ENTRY = Entry(((torch.arange(12.0).reshape(3, 4), "text", 1.5),))
DATA = to_bytes("name", ENTRY, KINDS, 2.5)


def test_the_file_is_one_that_safetensors_reads() -> None:
    from safetensors.torch import load

    assert torch.equal(load(DATA)["0"], torch.arange(12.0).reshape(3, 4))


def test_it_says_how_long_the_entry_took() -> None:
    assert from_bytes("name", DATA, KINDS)[1] == 2.5


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_every_changed_byte_is_noticed(place: int, change: int) -> None:
    damaged = bytearray(DATA)
    damaged[place] ^= change
    with pytest.raises(Damaged):
        from_bytes("name", bytes(damaged), KINDS)


@given(st.integers(0, len(DATA) - 1), st.binary(max_size=4))
def test_every_other_length_is_noticed(length: int, tail: bytes) -> None:
    for damaged in (DATA[:length], DATA + tail + b"x", DATA[:length] + bytes(len(DATA) - length - 1)):
        with pytest.raises(Damaged):
            from_bytes("name", damaged, KINDS)


@given(st.binary(max_size=300))
def test_anything_else_is_noticed(data: bytes) -> None:
    with pytest.raises(Damaged):
        from_bytes("name", data, KINDS)


def test_a_file_under_another_name_is_noticed() -> None:
    with pytest.raises(Damaged, match="another name"):
        from_bytes("other", DATA, KINDS)


def test_a_hash_in_a_text_of_the_values_is_not_taken_for_the_files() -> None:
    entry = Entry((('"sha256":"' + 80 * "0", '\\"sha256":"', "\ud800"),))
    assert from_bytes("n", to_bytes("n", entry, KINDS), KINDS)[0].values == entry.values
