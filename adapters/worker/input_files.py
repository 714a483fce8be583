"""Puts the files that came with a job where its nodes look for them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable

from adapters.blobs.store import BlobStore
from adapters.store.records import InputFile
from engine.errors import DagfusionError
from engine.folders import Folders, contained


def place_inputs(files: Iterable[InputFile], blobs: BlobStore, folders: Folders) -> None:
    """Write each file into the input folder under its stored name, unless it is there.

    Raises ``BlobMissing``, and ``DagfusionError`` where the folder cannot be written to.
    """
    for file in files:
        path = contained(folders.input, file.stored_name)
        if path is None:
            raise DagfusionError(f"input file name '{file.stored_name}' leaves the input folder")
        if path.is_file():
            continue
        part = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("xb") as target:
                target.writelines(blobs.chunks(file.digest))
            os.replace(part, path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise DagfusionError(f"input file '{file.name}' cannot be written to {path.parent}: {reason}") from error
        finally:
            part.unlink(missing_ok=True)
