"""Files by the names that ComfyUI's wire has for them: in a folder here, or else in the blob store."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.doors.http.auth import Caller
from adapters.doors.http.services import Services
from adapters.doors.http.spaces import folders_of, saved_output
from adapters.service.blobs.errors import BlobMissing
from adapters.service.errors import NotFound, RequestInvalid
from adapters.service.new_files import is_part
from engine.folders import OWN_FOLDERS, Folders, annotated, contained

_UNUSUAL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class WirePlace:
    """``folder`` is ``input``, ``output`` or ``temp``; ``subfolder`` has forward slashes and may be empty."""

    folder: str
    subfolder: str
    filename: str

    @property
    def relative(self) -> str:
        """Below the folder."""
        return f"{self.subfolder}/{self.filename}" if self.subfolder else self.filename


def named_place(name: str, subfolder: str, folder: str) -> WirePlace:
    """Like :func:`place_of`, for a name that may end in `` [output]`` and the like, which then wins."""
    name, noted = annotated(name)
    return place_of(name, subfolder, noted or folder)


def place_of(name: str, subfolder: str, folder: str) -> WirePlace:
    """The place that a request names; ``name`` may have folders before it.

    Raises ``RequestInvalid`` for names that lead out of the folder, or that no file has.
    """
    if folder not in OWN_FOLDERS:
        raise RequestInvalid(f"there is no folder of type '{folder:.40}'", remedy="use input, output or temp")
    path = f"{subfolder}/{name}" if subfolder not in ("", ".") else name
    if not is_plain(path):
        raise RequestInvalid("the file name leads out of its folder, or is none", remedy="use a plain relative name")
    parts = [part for part in path.replace("\\", "/").split("/") if part]
    return WirePlace(folder, "/".join(parts[:-1]), parts[-1])


def local_path(folders: Folders, place: WirePlace) -> Path | None:
    """The file in the folder here; ``None`` where there is none, or where a link leads out of the folder."""
    for root in () if is_part(place.filename) else folders.places(place.folder):
        path = contained(root, place.relative)
        try:
            if path is not None and path.is_file() and path.resolve().is_relative_to(root.resolve()):
                return path
        except (OSError, ValueError):  # A name too long for the file system, say.
            return None
    return None


def blob_of(now: Services, caller: Caller, place: WirePlace) -> str:
    """The digest of the newest output that was saved under this name. Raises ``NotFound``."""
    output = saved_output(now, caller, place.folder, place.subfolder, place.filename)
    if output is None or output.digest is None:
        raise NotFound(f"there is no file '{place.relative:.200}' in {place.folder}")
    return output.digest


def read_saved(now: Services, caller: Caller, file: Mapping[str, Any], digest: str | None) -> tuple[bytes, str]:
    """Contents and media type of a file that a node saved, from its blob or else its folder. Raises ``BlobMissing``."""
    place = WirePlace(str(file["type"]), str(file["subfolder"]), str(file["filename"]))
    media_type = mimetypes.guess_type(place.filename)[0] or "image/png"
    if digest is not None:
        with now.blobs.open(digest) as blob:
            return blob.read(), media_type
    path = local_path(folders_of(now, caller), place)
    try:
        if path is not None:
            return path.read_bytes(), media_type
    except OSError:
        pass  # Removed in this moment.
    raise BlobMissing(f"there is no file '{place.relative}'")


def is_plain(path: str) -> bool:
    """Whether this is a relative name that a file can have: without ``..``, drives, control characters."""
    parts = path.replace("\\", "/").split("/")
    unusual = any(part in (".", "..") for part in parts) or not parts[-1] or _UNUSUAL.search(path) is not None
    return not unusual and contained(Path("."), path) is not None
