"""What the panels of ComfyUI's own front end ask for: models with their files, logs, files, templates, assets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import FileResponse

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.comfy.bodies import read_object
from adapters.doors.http.comfy.log_feed import log_feed_of
from adapters.doors.http.comfy.replies import WireJSON
from adapters.doors.http.services import Services, ServicesNow
from adapters.doors.http.spaces import folders_of
from adapters.host.recent_logs import RECENT
from adapters.service.errors import NotFound, RequestInvalid
from engine.folders import MODEL_SUFFIXES, OWN_FOLDERS

router = APIRouter()
below_api = APIRouter(include_in_schema=False)
"""What is below ``/api`` alone: a front end's own files have these names."""
_Reader = Annotated[Caller, Depends(require("read"))]
_NO_MODELS = ("configs", "custom_nodes")
_PICTURES = (".preview.png", ".png", ".preview.jpg", ".jpg", ".jpeg", ".webp")
_TERMINAL = {"cols": 80, "rows": 24}


@router.get("/experiment/models")
def get_model_folders(now: ServicesNow, _: _Reader) -> WireJSON:
    """The kinds of model files; folders are named from the models folder on, since where that is is nobody's."""
    kinds = [kind for kind in now.folders.models if kind not in _NO_MODELS]
    suffixes = sorted(MODEL_SUFFIXES)
    return WireJSON([{"name": kind, "folders": [f"models/{kind}"], "extensions": suffixes} for kind in kinds])


@router.get("/experiment/models/{kind}")
def get_models(kind: str, now: ServicesNow, _: _Reader) -> WireJSON:
    """Files of a kind, with the number of the folder that each is in. Status 404 for a kind that is not known."""
    if kind not in now.folders.models:
        raise NotFound(f"there is no kind of models called '{kind:.100}'", remedy="GET /experiment/models lists them")
    return WireJSON(list(_model_files(now, kind)))


@router.get("/experiment/models/preview/{kind}/{index}/{name:path}")
def get_model_preview(kind: str, index: int, name: str, now: ServicesNow, _: _Reader) -> FileResponse:
    """The picture beside a model file: ``name.png``, ``name.preview.png`` ... Status 404 where there is none."""
    model = now.folders.found(kind, name)
    if model is None:
        raise NotFound("there is no such model")
    for suffix in _PICTURES:
        picture = model.with_name(model.stem + suffix)
        if picture.is_file():
            return FileResponse(picture, headers={"X-Content-Type-Options": "nosniff"})
    raise NotFound("there is no picture of this model")


@router.get("/i18n")
@router.get("/workflow_templates")
@router.get("/global_subgraphs")
@router.get("/node_replacements")
def get_nothing(_: _Reader) -> WireJSON:
    """Translations, templates and subgraphs of packs, and classes to put in others' places: there are none."""
    return WireJSON({})


@router.get("/global_subgraphs/{name:path}")
def get_subgraph(name: str, _: _Reader) -> WireJSON:
    """Status 404, there being none."""
    raise NotFound("there is no such subgraph")


@router.get("/internal/folder_paths")
def get_folder_paths(now: ServicesNow, _: _Reader) -> WireJSON:
    """Where models of each kind are, named from the models folder on."""
    return WireJSON({kind: [f"models/{kind}"] for kind in now.folders.models})


@router.get("/internal/files/{folder}")
def get_files(folder: str, now: ServicesNow, caller: _Reader) -> WireJSON:
    """The caller's files in ``input``, ``output`` or ``temp``, the newest first, as LoadImage names them."""
    if folder not in OWN_FOLDERS:
        return WireJSON({"error": "Invalid directory type"}, status_code=400)
    return WireJSON([f"{name} [{folder}]" for name in _newest_first(folders_of(now, caller).places(folder))])


@router.get("/internal/logs")
def get_logs(caller: _Reader) -> WireJSON:
    """What the web process has logged last, as one text; for admins, since it tells of everybody's requests."""
    return WireJSON("".join(f"{entry['t']} - {entry['m']}" for entry in _logged(caller)))


@router.get("/internal/logs/raw")
def get_raw_logs(caller: _Reader) -> WireJSON:
    """The same, line by line."""
    return WireJSON({"entries": _logged(caller), "size": _TERMINAL})


@router.patch("/internal/logs/subscribe")
async def subscribe_logs(request: Request, now: ServicesNow, caller: _Reader) -> Response:
    """Further lines come over the socket of the caller's ``clientId``, or no longer do; none for others than admins."""
    body = await read_object(request)
    client_id, enabled = body.get("clientId"), body.get("enabled")
    if not isinstance(client_id, str) or not isinstance(enabled, bool):
        raise RequestInvalid("the body is not {clientId, enabled}", remedy="send a text and true or false")
    feed, client = log_feed_of(request, now), (caller.owner, client_id)
    if enabled and caller.is_admin:
        feed.subscribe(client)
    elif not enabled:
        feed.unsubscribe(client)
    return Response()


@below_api.api_route("/assets", methods=["GET", "POST", "HEAD"])
@below_api.api_route("/assets/{name:path}", methods=["GET", "POST", "PUT", "DELETE", "HEAD"])
@below_api.api_route("/tags", methods=["GET"])
def assets(_: _Reader) -> WireJSON:
    """ComfyUI's own reply where its assets are off, as they are unless it is started with them."""
    error = {"code": "SERVICE_DISABLED", "message": "Assets are not kept by this service.", "details": {}}
    return WireJSON({"error": error}, status_code=503)


def _model_files(now: Services, kind: str) -> Iterator[dict[str, Any]]:
    for index, folder in enumerate(now.folders.of_kind(kind)):
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            name = path.relative_to(folder)
            if path.suffix.lower() not in MODEL_SUFFIXES or any(part.startswith(".") for part in name.parts):
                continue
            try:
                status = path.stat()
            except OSError:  # A link to nothing.
                continue
            yield {
                "name": name.as_posix(),
                "pathIndex": index,
                "modified": status.st_mtime,
                "created": status.st_ctime,
                "size": status.st_size,
            }


def _newest_first(folders: Sequence[Path]) -> list[str]:
    found: dict[str, float] = {}
    for folder in folders:
        if folder.is_dir():
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith(".") and entry.is_file():
                        found.setdefault(entry.name, entry.stat().st_mtime)
    return sorted(found, key=lambda name: -found[name])


def _logged(caller: Caller) -> list[dict[str, str]]:
    return RECENT.entries() if caller.is_admin else []
