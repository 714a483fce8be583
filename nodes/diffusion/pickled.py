"""Weights in PyTorch's pickled files (.pth, .pt, .ckpt, .bin), read without running any code that is in them.

``torch.load`` does it, as weights only: it makes tensors and plain values, and refuses everything else. Tensors are
mapped from the file where its format allows that.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.errors import ModelUnreadable, first_line
from nodes.diffusion.weight_header import DTYPES, TensorFact

GIB = 2**30
DEFAULT_LIMIT_BYTES = 32 * GIB
WRAPPINGS = ("state_dict", "params_ema", "params-ema", "params", "model_state_dict", "model", "module", "net")
"""Where trainers put the weights beside other things; the first that is there counts."""

_limit_bytes = DEFAULT_LIMIT_BYTES
_loading = Lock()  # torch keeps what is harmless for the whole process


class _Inert:
    """Replaces the objects that trainers leave in checkpoints besides weights: it accepts anything and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


_HARMLESS: list[Any] = [
    torch.nn.ParameterDict,
    np.dtype,
    np.dtypes.Float64DType,
    (_Inert, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"),
    (_Inert, "numpy.core.multiarray.scalar"),
    (_Inert, "numpy._core.multiarray.scalar"),
    (_Inert, "_codecs.encode"),
]


def accept_up_to(limit_bytes: int) -> None:
    """Set how large pickled files may be, in this process; 0 accepts none."""
    global _limit_bytes  # noqa: PLW0603 - one limit a process, like the fingerprints' file
    _limit_bytes = limit_bytes


class Pickled:
    """The tensors of one pickled file, laid out one after the other in an address space of their own.

    ``facts``: by name, with addresses instead of the file's. Raises ``ModelUnreadable`` where the file is too large,
    damaged, or holds more than weights.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        state = _weights(load(path, size_bytes))
        self._tensors: list[Tensor] = []
        self._starts: list[int] = []
        self.facts: dict[str, TensorFact] = {}
        end = 0
        for name, tensor in state.items():
            contiguous = tensor.detach().contiguous()
            start, end = end, end + contiguous.numel() * contiguous.element_size()
            self.facts[name] = TensorFact(contiguous.dtype, tuple(contiguous.shape), start, end)
            if end > start:
                self._tensors.append(contiguous.reshape(-1).view(torch.uint8))
                self._starts.append(start)

    def flat(self, fact: TensorFact) -> Tensor:
        """The numbers of a tensor, or of some of its rows, in one dimension."""
        return self._bytes(fact).view(fact.dtype)

    def bytes(self, fact: TensorFact) -> memoryview:
        """The same as bytes."""
        if fact.start == fact.end:
            return memoryview(b"")
        return self._bytes(fact).numpy().data

    def release(self) -> None:
        """Nothing to do: pages that were read are the system's to take back."""

    def _bytes(self, fact: TensorFact) -> Tensor:
        place = bisect_right(self._starts, fact.start) - 1
        start = self._starts[place]
        piece = self._tensors[place][fact.start - start : fact.end - start]
        # Rows may begin where their numbers must not.
        return piece if piece.data_ptr() % fact.dtype.itemsize == 0 else piece.clone()


def load(path: Path, size_bytes: int) -> Any:
    """What the file holds: tensors and plain values. Raises ``ModelUnreadable``."""
    if not _limit_bytes:
        raise ModelUnreadable(
            f"model file '{path.name}' is pickled, and pickled files are switched off here",
            remedy="take the safetensors version, or set DAGFUSION_PICKLED_GIB",
        )
    if max(size_bytes, _unpacked_bytes(path)) > _limit_bytes:
        raise ModelUnreadable(
            f"model file '{path.name}' is pickled and larger than {_limit_bytes / GIB:g} GiB",
            remedy="take the safetensors version, or set DAGFUSION_PICKLED_GIB",
        )
    # torch goes by the name: what is called safetensors it would not read as a pickle.
    mapped = zipfile.is_zipfile(path) and path.suffix != ".safetensors"
    with _loading, torch.serialization.safe_globals(_HARMLESS), _explained(path), path.open("rb") as file, _quiet():
        return torch.load(path if mapped else file, map_location="cpu", weights_only=True, mmap=mapped)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's doubts about newer pickle protocols, which it reads or else refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except pickle.UnpicklingError as error:
        raise ModelUnreadable(
            f"model file '{path.name}' is a pickle that holds more than weights, which could run code: {_why(error)}",
            remedy="take the safetensors version; or convert the file where you trust it",
        ) from error
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError) as error:
        raise ModelUnreadable(
            f"model file '{path.name}' is a damaged pickle: {first_line(error)}", remedy="fetch the file again"
        ) from error


def _why(error: pickle.UnpicklingError) -> str:
    """The line of torch's explanation that names what it refused."""
    lines = [line.strip() for line in str(error).splitlines()]
    named = (line for line in lines if line.startswith(("WeightsUnpickler error", "Unsupported", "Trying")))
    return next(named, first_line(error)).removeprefix("WeightsUnpickler error: ")


def _unpacked_bytes(path: Path) -> int:
    """The size of a zip's contents: those that torch writes are not compressed, but others could be."""
    if not zipfile.is_zipfile(path):
        return 0
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelUnreadable(f"model file '{path.name}' is a damaged zip", remedy="fetch the file again") from error


def _weights(content: Any) -> Mapping[str, Tensor]:
    """The tensors by name, out of what trainers wrap them in."""
    while isinstance(content, Mapping):
        wrapped = next((content[name] for name in WRAPPINGS if isinstance(content.get(name), Mapping)), None)
        if wrapped is None and len(content) == 1 and isinstance(only := next(iter(content.values())), Mapping):
            wrapped = only
        if wrapped is None:
            break
        content = wrapped
    if not isinstance(content, Mapping):
        return {}
    known = set(DTYPES.values())
    return {
        name: value
        for name, value in _flat(content).items()
        if isinstance(value, Tensor) and value.layout is torch.strided and value.dtype in known
    }


def _flat(content: Mapping[Any, Any]) -> dict[str, Any]:
    """What is there by name, and what mappings in it hold by theirs, after the mapping's and a dot."""
    named = {name: value for name, value in content.items() if isinstance(name, str)}
    parts = {name: part for name, part in named.items() if isinstance(part, Mapping)}
    return {f"{name}.{each}": value for name, part in parts.items() for each, value in part.items()} | named
