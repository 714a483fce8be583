"""A hash of the code that a node class is made of: a result that other code computed does not count as the same."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# The packages that come with dagfusion. All classes in them tell by their keys what their results depend on.
HOUSE = frozenset({"engine", "nodes"})
# What packages bring along that is larger is no code (weights, sample pictures).
_LARGEST_BYTES = 2**20


def is_house(module: str) -> bool:
    """Whether the module of this name comes with dagfusion."""
    return module.partition(".")[0] in HOUSE


def house_code() -> str:
    """The code of dagfusion's own nodes and engine."""
    return " ".join(code_of(name) for name in sorted(HOUSE))


@cache
def code_of(module: str) -> str:
    """32 hexadecimal digits that depend on the files of the package, or the single file, that ``module`` is of.

    Read once a process, since what was imported stays as it was.
    """
    digest = hashlib.sha256()
    for path in _files(module):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        digest.update(f"{path.name} {len(content)}\n".encode("utf-8", "surrogatepass"))
        digest.update(content)
    return digest.hexdigest()[:32]


def _files(module: str) -> Iterator[Path]:
    """The files of the outermost package around ``module`` that has any."""
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        found = sys.modules.get(".".join(parts[:count]))
        file = getattr(found, "__file__", None)
        if file is not None:
            yield from _below(Path(file).parent) if hasattr(found, "__path__") else [Path(file)]
            return


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        for path in (Path(where, name) for name in sorted(names)):
            if path.is_file() and path.stat().st_size <= _LARGEST_BYTES:
                yield path
