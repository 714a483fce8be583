"""What an output node made, as a file that has no name yet and no text of the request: in this form it is cached."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.errors import InputInvalid
from engine.scratch import scratch_file

Write = Callable[[Path], object]
# Writes a copy of the first file, with the texts in it, to the second.
Embed = Callable[[Path, Path, Mapping[str, str]], None]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class EncodedFile:
    """An encoded file in the scratch folder; it is deleted when nobody refers to it any more.

    ``suffix``: with its dot. ``series``: what its name is made of, in each run anew. ``number``: its place in the
    series. ``embed``: puts a request's texts into a copy; ``None`` where it carries none.
    """

    path: Path
    size_bytes: int
    suffix: str
    media_type: str
    series: Series
    number: int
    embed: Embed | None


@dataclass(slots=True)
class Series:
    """Files that one node call makes. ``prefix``: as the node was given it; that of temp files is made up.

    ``width_px``, ``height_px``: what a prefix calls ``%width%`` and ``%height%``.
    """

    folder: Literal["output", "temp"] = "output"
    prefix: str = ""
    width_px: int = 0
    height_px: int = 0
    count: int = field(default=0, compare=False)

    def save(self, suffix: str, media_type: str, write: Write, embed: Embed | None = None) -> EncodedFile:
        """Let ``write`` make the next file of the series. ``suffix`` starts with a dot.

        Raises ``InputInvalid`` where the disk is full.
        """
        path = scratch_file(suffix)
        try:
            write(path)
            size_bytes = path.stat().st_size
        except OSError as error:
            path.unlink(missing_ok=True)
            raise InputInvalid(
                f"a '{suffix}' file cannot be written: {error.strerror or error}",
                input="filename_prefix",
                remedy="see that the disk of the temporary folder has room",
            ) from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        made = EncodedFile(path, size_bytes, suffix, media_type, self, self.count, embed)
        weakref.finalize(made, path.unlink, missing_ok=True)
        self.count += 1
        return made


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits. Raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def all_there(shown: Mapping[str, Iterable[Any]]) -> bool:
    """Whether the files that a node showed are all still in the scratch folder."""
    return all(item.path.is_file() for items in shown.values() for item in items if isinstance(item, EncodedFile))
