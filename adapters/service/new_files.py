"""Puts a new file into a folder: all at once or not at all, and never over another one unless told to."""

from __future__ import annotations

import filecmp
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import EEXIST, EILSEQ, EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENOTDIR, ENOTEMPTY
from pathlib import Path

from adapters.service.errors import FolderUnavailable, RequestInvalid
from engine.errors import DagfusionError

_MOST_OF_ONE_NAME = 10_000
_ABANDONED_S = 3600.0
_PART = re.compile(r"\.[0-9a-f]{16}\.\w+")
_OF_THE_NAME = frozenset({ENAMETOOLONG, EINVAL, EILSEQ, EISDIR, ENOTDIR, EEXIST, ENOTEMPTY, ELOOP})


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
        raise not_written(f"'{relative:.200}' cannot be written", error) from error


def not_written(what: str, error: OSError) -> DagfusionError:
    """The error for a file that could not be made: of the name that was chosen, or of the folder or disk."""
    reason = error.strerror or type(error).__name__
    if error.errno in _OF_THE_NAME:
        return RequestInvalid(f"{what}: {reason}", remedy="choose another name")
    return FolderUnavailable(f"{what}: {reason}", remedy="see that the service may write there, and has room")


def is_part(name: str) -> bool:
    """Whether a file has the name of one that is being written, by :func:`publish` or by a run."""
    return _PART.fullmatch(name) is not None


def sweep_parts(root: Path, older_than_s: float = _ABANDONED_S) -> int:
    """Remove what writers left that were killed; how many files."""
    removed = 0
    for folder, _, names in os.walk(root):
        for part in (Path(folder, name) for name in names if is_part(name)):
            with suppress(OSError):  # Its writer has just ended.
                if part.stat().st_mtime < time.time() - older_than_s:
                    part.unlink()
                    removed += 1
    return removed


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
