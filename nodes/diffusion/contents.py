"""Tells whether parts of two model files are the same, byte for byte, so that they are loaded once."""

from __future__ import annotations

import hashlib
import itertools
import threading
import weakref

import torch

from nodes.diffusion.weight_header import TensorFact
from nodes.diffusion.weights import WeightView

SAMPLED_TENSORS = 32
SAMPLE_BYTES = 256

_lock = threading.Lock()
_numbers = itertools.count()
_known: dict[str, list[tuple[weakref.ref[WeightView], str]]] = {}


def content_key(view: WeightView) -> str:
    """A text that two views share just when their names, shapes and bytes are equal; valid within this process.

    Hashing gigabytes is avoided: a few samples tell almost all contents apart, and views whose samples agree are
    compared in full. A view is remembered for as long as something (a network's ``build``) refers to it.
    """
    sample = _sample(view)
    with _lock:
        known = [(other, key) for reference, key in _known.get(sample, []) if (other := reference()) is not None]
        key = next((key for other, key in known if _equal(view, other)), None)
        if key is None:
            key = f"{sample}.{next(_numbers)}"
        _known[sample] = [*((weakref.ref(other), key) for other, key in known), (weakref.ref(view), key)]
        return key


def _sample(view: WeightView) -> str:
    digest = hashlib.sha256()
    names = sorted(view)
    for name in names:
        fact = view.fact(name)
        digest.update(f"{name}\0{fact.dtype}\0{fact.shape}\0{_coded(fact)}".encode())
    for name in names[:: max(1, len(names) // SAMPLED_TENSORS)]:
        data = view.bytes(name)
        digest.update(data[:SAMPLE_BYTES])
        digest.update(data[-SAMPLE_BYTES:])
        for beside in view.beside(name):
            digest.update(beside)
    return digest.hexdigest()[:32]


def _equal(view: WeightView, other: WeightView) -> bool:
    same_place = all(view.fact(name) == other.fact(name) for name in view)
    if same_place and view.file.identity == other.file.identity:
        return True
    equal = all(
        torch.equal(_as_bytes(view.bytes(name)), _as_bytes(other.bytes(name)))
        and list(view.beside(name)) == list(other.beside(name))
        for name in view
    )
    view.file.release()
    return equal


def _coded(fact: TensorFact) -> str:
    """How its bytes encode numbers, independently of where they are."""
    parts = fact.pieces or (fact,)
    return " ".join(part.coding.title for part in parts if part.coding is not None)


def _as_bytes(data: memoryview) -> torch.Tensor:
    return torch.frombuffer(data, dtype=torch.uint8) if len(data) else torch.empty(0, dtype=torch.uint8)
