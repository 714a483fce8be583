"""What a pack's class shows (its ``ui``), as what ours show: files get their digest, so that clients get them."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Any

from engine.context import Context
from engine.encoded import digest_of
from engine.folders import OWN_FOLDERS, Folders
from engine.types import SavedFile


def show(ctx: Context, shown: Any) -> None:
    """Add all that ``shown`` says, kind by kind."""
    if hasattr(shown, "as_dict"):
        shown = shown.as_dict()
    if not isinstance(shown, Mapping):
        return
    for kind, items in shown.items():
        for item in items if isinstance(items, list | tuple) else [items]:
            ctx.show(str(kind), _shown(ctx.folders, item))


def _shown(folders: Folders, item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item if isinstance(item, str | bool) else str(item)
    folder = item.get("type")
    if not isinstance(item.get("filename"), str) or folder not in OWN_FOLDERS:
        return {str(key): value for key, value in item.items()}
    name = item["filename"]
    saved = SavedFile(name, str(item.get("subfolder") or ""), folder, mimetypes.guess_type(name)[0] or "")
    path = folders.path_of(saved)
    if not path.is_file() or not path.resolve().is_relative_to(getattr(folders, folder).resolve()):
        return {str(key): value for key, value in item.items()}
    return SavedFile(
        saved.filename, saved.subfolder, saved.folder, saved.media_type, digest_of(path), path.stat().st_size
    )
