"""What can be used: node classes, model files, embeddings."""

from __future__ import annotations

import json
import logging
import struct
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.comfy.replies import WireJSON
from adapters.doors.http.services import Services, ServicesNow
from adapters.doors.http.spaces import folders_of
from adapters.service.errors import NotFound
from engine.errors import ModelMissing
from engine.folders import Folders
from engine.object_info import object_info

router = APIRouter()
_Reader = Annotated[Caller, Depends(require("read"))]
_MAX_HEADER_BYTES = 2**20
_log = logging.getLogger(__name__)


@router.get("/object_info")
def get_classes(now: ServicesNow, caller: _Reader) -> WireJSON:
    """Every node class; file choices list what is there now for the caller."""
    folders = folders_of(now, caller)
    return WireJSON({name: info for name in now.registry if (info := _info(name, now, folders)) is not None})


@router.get("/object_info/{name}")
def get_class(name: str, now: ServicesNow, caller: _Reader) -> WireJSON:
    """The one class by its name; empty where there is none."""
    info = _info(name, now, folders_of(now, caller)) if name in now.registry else None
    return WireJSON({} if info is None else {name: info})


@router.get("/models")
def get_model_kinds(now: ServicesNow, _: _Reader) -> WireJSON:
    """The kinds of model files."""
    return WireJSON(list(now.folders.models))


@router.get("/models/{kind}")
def get_model_files(kind: str, now: ServicesNow, _: _Reader) -> WireJSON:
    """Names of the files of a kind. Status 404 for a kind that is not known."""
    if not now.folders.of_kind(kind) and kind not in now.folders.models:
        raise NotFound(f"there is no kind of models called '{kind:.100}'", remedy="GET /models lists them")
    return WireJSON(now.folders.files(kind))


@router.get("/embeddings")
def get_embeddings(now: ServicesNow, _: _Reader) -> WireJSON:
    """Names of the text embeddings, as prompts name them."""
    return WireJSON([str(PurePosixPath(name).with_suffix("")) for name in now.folders.files("embeddings")])


@router.get("/view_metadata/{kind}")
def get_metadata(kind: str, now: ServicesNow, _: _Reader, filename: Annotated[str, Query(max_length=1000)]) -> WireJSON:
    """The ``__metadata__`` of a safetensors file. Status 404 where there is none."""
    found = _metadata(_model_path(now, kind, filename)) if filename.endswith(".safetensors") else None
    if found is None:
        raise NotFound(f"'{filename:.200}' has no metadata")
    return WireJSON(found)


def _info(name: str, now: Services, folders: Folders) -> dict[str, Any] | None:
    try:
        return object_info(now.registry[name], folders)
    except OSError as error:  # A folder of files to choose from that cannot be listed.
        _log.warning("class %s cannot be described: %s", name, error)
        return None


def _model_path(now: Services, kind: str, filename: str) -> Path:
    try:
        return now.folders.find(kind, filename)
    except (ModelMissing, ValueError, OSError) as error:
        raise NotFound(f"there is no file '{filename:.200}' among the {kind:.100}") from error


def _metadata(path: Path) -> dict[str, Any] | None:
    with path.open("rb") as file:
        head = file.read(8)
        size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 0 < size <= _MAX_HEADER_BYTES:
            return None
        try:
            header = json.loads(file.read(size))
        except (ValueError, RecursionError):
            return None
    found = header.get("__metadata__") if isinstance(header, dict) else None
    return found if isinstance(found, dict) else None
