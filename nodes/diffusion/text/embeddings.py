"""Textual inversion: finds and reads files of vectors that stand for words (Gal et al. 2022, arXiv:2208.01618)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import ModelUnreadable, first_line
from engine.folders import contained
from nodes.diffusion import pickled
from nodes.diffusion.text.prompt import EMBEDDING, parse
from nodes.diffusion.weights import WeightFile

log = logging.getLogger(__name__)

SUFFIXES = ("", ".safetensors", ".pt", ".bin")
_BUNDLE = "bundle_emb."  # LoRA files that carry embeddings put them under this


@dataclass(frozen=True, slots=True)
class EmbeddingWord:
    """``embedding:name`` in a prompt: the file, or None where there is none, and the text after the name."""

    name: str
    file: Path | None
    rest: str


def find_embedding(word: str, folders: Sequence[Path]) -> EmbeddingWord:
    """Look for what ``word`` (a prompt's piece that starts with ``embedding:``) names.

    The name ends at white space and may leave out its suffix or its folder; where no file has it, commas around it
    are taken off.
    """
    name, *others = word.removeprefix(EMBEDDING).split() or [""]
    rest = " ".join(others)
    file = _find(name, folders)
    bare = name.strip(",")
    if file is None and bare != name:
        return EmbeddingWord(bare, _find(bare, folders), f"{name[len(bare) :]} {rest}")
    return EmbeddingWord(name, file, rest)


def embedding_files(prompt: str, folders: Sequence[Path]) -> list[Path]:
    """The files that ``prompt`` refers to, in order."""
    words = [segment.text for segment in parse(prompt) if segment.text.startswith(EMBEDDING)]
    return [found.file for found in (find_embedding(word, folders) for word in words) if found.file is not None]


def read_embedding(file: Path, part: str, width: int) -> Tensor | None:
    """The file's vectors, float32[count, width of the encoder it was made for], or None (logged) if unreadable.

    ``part``: which vectors of a file with several (``clip_l``, ``clip_g``); ``width`` picks them in files that hold a
    plain list. Pickled files are read without running any code in them.
    """
    try:
        found = _vectors(_content(file), part, width)
    except (ModelUnreadable, OSError, RuntimeError, ValueError, TypeError) as error:
        log.warning("embedding '%s' cannot be read and is left out: %s", file.name, first_line(error))
        return None
    if not found.is_floating_point() or found.ndim not in (1, 2) or found.numel() == 0:
        log.warning("embedding '%s' holds no vectors and is left out", file.name)
        return None
    return found.detach().reshape(-1, found.shape[-1]).to(torch.float32, copy=True)


def _find(name: str, folders: Sequence[Path]) -> Path | None:
    for folder in _with_subfolders(folders):
        for suffix in SUFFIXES:
            path = contained(folder, name + suffix)
            if path is not None and path.is_file():
                return path
    return None


def _with_subfolders(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        for directory, subfolders, _ in os.walk(folder, followlinks=True):
            subfolders.sort()
            yield Path(directory)


def _content(file: Path) -> Any:
    if file.suffix.lower() == ".safetensors":
        return WeightFile(file).view("")
    return pickled.load(file, file.stat().st_size)


def _vectors(content: Any, part: str, width: int) -> Tensor:
    if isinstance(content, list):
        rows = [rows for entry in content for rows in entry.values() if rows.shape[-1] == width]
        return torch.cat([tensor.reshape(-1, width) for tensor in rows])
    if not isinstance(content, Mapping):
        raise ValueError("it holds no table of vectors")
    if "string_to_param" in content:
        return _first(content["string_to_param"])
    if part in content:
        return _tensor(content[part])
    for ending in (".string_to_param.*", f".{part}"):
        bundled = [name for name in content if name.startswith(_BUNDLE) and name.endswith(ending)]
        if bundled:
            return torch.cat([_tensor(content[name]) for name in bundled])
    return _first(content)


def _first(table: Any) -> Tensor:
    return _tensor(next(iter(table.values()), None))


def _tensor(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise ValueError("it holds no vectors")
    return value
