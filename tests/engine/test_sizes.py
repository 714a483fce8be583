"""Sizes of values: all that they refer to, shared blocks once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from engine.sizes import measure
from engine.types import Audio, Image


@dataclass(slots=True)
class Ring:
    other: object = None


def bytes_of(value: object) -> int:
    own_bytes, blocks = measure(value)
    return own_bytes + sum(blocks.values())


def test_tensor_counts_by_its_storage() -> None:
    pixels = torch.zeros(1, 100, 100, 3)
    assert 120_000 <= bytes_of(Image(pixels)) < 121_000
    # A view keeps all of the storage alive.
    assert 120_000 <= bytes_of(Image(pixels[:, :1])) < 121_000


def test_shared_tensors_count_once() -> None:
    a = torch.zeros(1000)
    assert bytes_of((a, a.view(10, 100), Image(a), {"again": [a]})) < 4000 + 1000
    assert bytes_of((a, a.clone())) >= 8000


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    samples: torch.Tensor
    mask: torch.Tensor | None = None


def test_blocks_tell_what_is_shared_between_values() -> None:
    a, b = torch.zeros(1000), torch.zeros(500)
    _, first = measure(Masked(a, mask=b))
    _, second = measure([a])
    assert set(second) < set(first)
    assert sorted(first.values()) == [2000, 4000]


def test_arrays_texts_and_mappings() -> None:
    array = np.zeros((10, 100))
    assert 8000 <= bytes_of([array, array[2:4], array.T]) < 9000
    assert bytes_of("x" * 1000) >= 1000
    assert bytes_of({"key": b"y" * 1000}) >= 1000
    assert bytes_of(Audio(torch.zeros(1, 2, 500), 44_100)) >= 4000


def test_modules_count_their_parameters() -> None:
    assert bytes_of(torch.nn.Linear(100, 100, device="cpu")) >= 40_400


def test_meta_and_sparse_and_empty_tensors() -> None:
    assert bytes_of(torch.zeros(1000, device="meta")) < 200
    assert bytes_of(torch.zeros(0)) < 200
    assert bytes_of(torch.eye(10).to_sparse()) >= 40


def test_rings_and_deep_values_end() -> None:
    ring = Ring()
    ring.other = [ring]
    assert bytes_of(ring) < 1000
    deep: object = None
    for _ in range(100_000):
        deep = Ring(deep)
    assert bytes_of(deep) >= 100_000
