"""Puts a job's input files into the input folder that its nodes read, under their stored names."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Container, Iterable
from pathlib import Path

from adapters.service.blobs.errors import BlobMissing, BlobStoreUnavailable
from adapters.service.blobs.store import MIN_SWEEP_AGE_S, BlobStore
from adapters.service.intake.take import UPLOADS_FOLDER
from adapters.service.store.records import InputFile
from engine.errors import DagfusionError

_STORED_NAME = re.compile(rf"{re.escape(UPLOADS_FOLDER)}/(?P<digest>[0-9a-f]{{64}})\.[a-z0-9]{{1,12}}")


def place_files(files: Iterable[InputFile], blobs: BlobStore, input_folder: Path) -> None:
    """Link or copy each file from the blob store to ``input_folder / stored_name``, where it is not there yet.

    Each appears at once or not at all, whatever other workers do. Raises ``BlobMissing``, ``BlobStoreUnavailable``, and
    ``DagfusionError`` where the folder cannot be written.
    """
    for file in files:
        found = _STORED_NAME.fullmatch(file.stored_name)
        if found is None or found["digest"] != file.digest:
            raise DagfusionError(f"input file '{file.name}' has the stored name '{file.stored_name}', which is none")
        target = input_folder / file.stored_name
        try:
            source = blobs.local_path(file.digest)
            if not _is_there(target, source, file):
                _place(file.digest, source, blobs, target)
        except OSError as error:
            raise DagfusionError(
                f"input file '{file.name}' cannot be put into {input_folder}: {error.strerror or error}",
                remedy="see that the folder may be written and its disk has room",
            ) from error


def sweep_placed(input_folder: Path, in_use: Container[str], older_than_s: float = 24 * 3600.0) -> int:
    """Remove placed files whose digest is not ``in_use`` and that no job asked for in that time; how many.

    They are looked for in ``input_folder`` and in its subfolders, which are those of keys.
    """
    born_before = time.time() - max(older_than_s, MIN_SWEEP_AGE_S)
    removed = 0
    for path in (*input_folder.glob(f"{UPLOADS_FOLDER}/*"), *input_folder.glob(f"*/{UPLOADS_FOLDER}/*")):
        digest = path.name.partition(".")[0]
        ours = path.name.endswith(".part") or _STORED_NAME.fullmatch(f"{UPLOADS_FOLDER}/{path.name}")
        with contextlib.suppress(FileNotFoundError):  # Another worker sweeps too.
            if ours and digest not in in_use and path.lstat().st_mtime < born_before:
                path.unlink()
                removed += 1
    return removed


def _is_there(target: Path, source: Path | None, file: InputFile) -> bool:
    """Whether ``target`` holds what it should: others may write to the input folder, under any name."""
    try:
        status = target.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size_bytes:
            return False
        if source is None or not target.samefile(source):
            with open(target, "rb") as placed:
                if hashlib.file_digest(placed, "sha256").hexdigest() != file.digest:
                    return False
        os.utime(target)  # It was asked for: a sweep spares it.
    except FileNotFoundError:
        return False
    return True


def _place(digest: str, source: Path | None, blobs: BlobStore, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        if source is None or not _linked(source, part):
            _copy(digest, blobs, part)
        os.replace(part, target)
        os.utime(target)
    finally:
        part.unlink(missing_ok=True)  # Also after replacing one link to a file by another, which leaves both.


def _linked(source: Path, part: Path) -> bool:
    try:
        os.link(source, part)
    except FileNotFoundError:
        raise BlobMissing(f"there is no blob '{source.name}'", remedy="submit the job again with its files") from None
    except OSError:
        return False  # Another file system, or one without links.
    return True


def _copy(digest: str, blobs: BlobStore, part: Path) -> None:
    sha256 = hashlib.sha256()
    with open(part, "xb") as file:
        for chunk in blobs.chunks(digest):
            sha256.update(chunk)
            file.write(chunk)
    if sha256.hexdigest() != digest:
        raise BlobStoreUnavailable(f"blob '{digest}' does not hold what it held when it was stored")
