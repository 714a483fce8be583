"""Puts a new file into a folder: all at once or not at all, and never over another one unless told to."""

from __future__ import annotations

import filecmp
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from adapters.service.errors import RequestInvalid

_MOST_OF_ONE_NAME = 10_000


def publish(root: Path, relative: str, write: Callable[[Path], object], *, overwrite: bool) -> Path:
    """Let ``write`` make the file at ``root / relative``, or at ``name (1)`` ... where another one has that name.

    Where a file of that name has the same contents already, that is the one. Raises ``RequestInvalid`` for a place
    that leaves ``root`` through a link, and for names that the file system refuses.
    """
    target = root / relative
    try:
        if not target.parent.resolve().is_relative_to(root.resolve()):
            raise RequestInvalid("the folder is a link that leads elsewhere", remedy="choose another subfolder")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.parent / f".{secrets.token_hex(8)}.part"
        try:
            write(part)
            return _replace(part, target) if overwrite else _add(part, target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RequestInvalid(f"'{relative:.200}' cannot be written: {reason}", remedy="choose another name") from error


def _replace(part: Path, target: Path) -> Path:
    os.replace(part, target)
    return target


def _add(part: Path, target: Path) -> Path:
    for name in _names(target.name):
        candidate = target.with_name(name)
        if candidate.is_file() and not candidate.is_symlink() and filecmp.cmp(part, candidate, shallow=False):
            return candidate
        try:
            os.link(part, candidate)
        except FileExistsError:
            continue
        return candidate
    raise RequestInvalid(f"there are {_MOST_OF_ONE_NAME} files called '{target.name:.200}'")


def _names(name: str) -> Iterator[str]:
    yield name
    stem, suffix = os.path.splitext(name)
    yield from (f"{stem} ({number}){suffix}" for number in range(1, _MOST_OF_ONE_NAME))
