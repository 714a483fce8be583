"""Which file a FileChoice input names, and which ones it offers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from engine.errors import ModelMissing
from engine.folders import OWN_FOLDERS, Folders, annotated, contained
from engine.inputs import FileChoice
from engine.media_suffixes import is_offered

_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII)


def named_file(marker: FileChoice, value: Any, folders: Folders) -> Path | None:
    """The file's path; ``None`` for what is no file (``"None"``, a data URL) or is assumed. Raises ``ModelMissing``."""
    if not isinstance(value, str):
        raise ModelMissing(f"{value!r} is no file name")
    if value in marker.before or value in marker.after:
        return None
    if value.startswith("data:") and marker.allow_data_url:
        if not _DATA_URL.match(value):
            raise ModelMissing(f"'{value[:40]}' is no base64 data URL", remedy="write data:image/png;base64,...")
        return None
    try:
        if marker.kind not in OWN_FOLDERS:
            return folders.find(marker.kind, value)
        noted = marker.kind == "input" or annotated(value)[1]
        return folders.find_input(value if noted else f"{value} [{marker.kind}]")
    except ModelMissing:
        if folders.assumed and contained(Path(), annotated(value)[0]) is not None:
            return None
        raise


def offered_files(marker: FileChoice, folders: Folders) -> list[str]:
    """All choices, in the order in which user interfaces list them; where media are taken, those of that kind."""
    files = (name for name in folders.files(marker.kind) if is_offered(name, marker.upload))
    return [*marker.before, *files, *marker.after]
