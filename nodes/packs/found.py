"""Which packs lie in a folder, and what tells that one has changed."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import DagfusionError

_CODE = frozenset({".py", ".toml"})  # not settings, which some packs write beside their code
_LARGEST_BYTES = 2**20  # what is larger is data


@dataclass(frozen=True, slots=True)
class Pack:
    """A folder with an ``__init__.py``, or a single Python file, as they lie in ComfyUI's ``custom_nodes``."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's or the file's name."""
        return self.path.name if self.path.is_dir() else self.path.stem

    @property
    def module(self) -> str:
        """The name that its modules go by, which is an identifier whatever the folder is called."""
        return re.sub(r"\W", "_", self.name)

    @property
    def file(self) -> Path:
        """What is imported."""
        return self.path / "__init__.py" if self.path.is_dir() else self.path

    def digest(self) -> str:
        """32 hexadecimal digits that depend on the pack's code and settings. Raises ``OSError``."""
        digest = hashlib.sha256()
        for path in sorted(_files(self.path)):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(self.path.parent)} {len(content)}\n".encode("utf-8", "surrogatepass"))
            digest.update(content)
        return digest.hexdigest()[:32]


def packs_in(folder: Path) -> list[Pack]:
    """The packs of one folder, by name. Raises ``DagfusionError`` where there is no such folder."""
    if not folder.is_dir():
        raise DagfusionError(
            f"'{folder}' is not a folder", remedy="--packs takes a folder of packs, as custom_nodes is"
        )
    return [Pack(path) for path in sorted(folder.iterdir()) if _is_pack(path)]


def _is_pack(path: Path) -> bool:
    if path.name.startswith((".", "__")) or path.name.endswith(".disabled"):
        return False
    return (path / "__init__.py").is_file() if path.is_dir() else path.suffix == ".py"


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for where, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        for file in (Path(where, name) for name in names):
            if file.suffix in _CODE and file.is_file() and file.stat().st_size <= _LARGEST_BYTES:
                yield file
