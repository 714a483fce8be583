"""What ComfyUI's clients keep at the server: settings, saved workflows and other small files, a folder for each key."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BeforeValidator
from starlette.responses import FileResponse, Response

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.bodies import read_json
from adapters.doors.http.comfy.bodies import read_object
from adapters.doors.http.comfy.replies import WireJSON
from adapters.doors.http.comfy.user_folder import checked, listing, user_folder
from adapters.doors.http.services import ServicesNow
from adapters.service.errors import FileExists, NotFound
from adapters.service.new_files import not_written, publish

router = APIRouter()
_Reader = Annotated[Caller, Depends(require("read"))]
_Submitter = Annotated[Caller, Depends(require("submit"))]
_SETTINGS = "comfy.settings.json"
# ComfyUI takes any text here, and one of them as the other answer.
Flag = Annotated[bool, BeforeValidator(lambda text: str(text).lower() in ("true", "1"))]
Unless = Annotated[bool, BeforeValidator(lambda text: str(text).lower() not in ("false", "0"))]


@router.get("/users")
def get_users(_: _Reader) -> WireJSON:
    """Files are kept here, not in the browser."""
    return WireJSON({"storage": "server", "migrated": True})


@router.post("/users")
def add_user(_: _Submitter) -> WireJSON:
    """Keys tell who is who, so there is one user, whatever it is called."""
    return WireJSON("default")


@router.get("/v2/userdata")
def list_entries(now: ServicesNow, caller: _Reader, path: str = "") -> WireJSON:
    """All folders and files below a folder, folders first, as objects."""
    root = user_folder(now, caller)
    folder = checked(root, path) if path else root
    if not folder.is_dir():
        raise NotFound("there is no such folder")
    found = [_entry(each, root) for each in folder.rglob("*")]
    return WireJSON(sorted(found, key=lambda entry: (entry["type"] == "file", entry["name"].lower())))


@router.get("/settings")
def get_settings(now: ServicesNow, caller: _Reader) -> WireJSON:
    """All settings that the client has stored."""
    return WireJSON(_settings(user_folder(now, caller)))


@router.get("/settings/{name}")
def get_setting(name: str, now: ServicesNow, caller: _Reader) -> WireJSON:
    """One of them, or null."""
    return WireJSON(_settings(user_folder(now, caller)).get(name))


@router.post("/settings")
async def change_settings(request: Request, now: ServicesNow, caller: _Submitter) -> Response:
    """Add these to the settings."""
    await run_sync(_store_settings, user_folder(now, caller), await read_object(request))
    return Response()


@router.post("/settings/{name}")
async def change_setting(name: str, request: Request, now: ServicesNow, caller: _Submitter) -> Response:
    """Store one setting, any JSON value."""
    value = await run_sync(read_json, await request.body())
    await run_sync(_store_settings, user_folder(now, caller), {name: value})
    return Response()


@router.get("/userdata")
def list_files(
    now: ServicesNow,
    caller: _Reader,
    folder: Annotated[str, Query(alias="dir", min_length=1)],
    recurse: Flag = False,
    full_info: Flag = False,
    split: Flag = False,
) -> WireJSON:
    """Files in a folder, as paths below it; with ``full_info`` as objects, with ``split`` as paths and their parts."""
    root = checked(user_folder(now, caller), folder)
    if not os.path.isdir(root):
        raise NotFound("there is no such folder")
    found = listing(root, recurse=recurse)
    if full_info:
        return WireJSON([_info(root / name, root) for name in found])
    return WireJSON([[name, *name.split("/")] if split else name for name in found])


@router.get("/userdata/{name:path}")
def get_file(name: str, now: ServicesNow, caller: _Reader) -> FileResponse:
    """A file's contents."""
    path = _existing(checked(user_folder(now, caller), name))
    return FileResponse(path, media_type="application/octet-stream", headers={"X-Content-Type-Options": "nosniff"})


@router.post("/userdata/{name:path}/move/{target:path}")
def move_file(
    name: str, target: str, now: ServicesNow, caller: _Submitter, overwrite: Unless = True, full_info: Flag = False
) -> WireJSON:
    """Rename a file."""
    root = user_folder(now, caller)
    source, goal = _existing(checked(root, name)), checked(root, target)
    if os.path.lexists(goal) and not overwrite:
        raise FileExists("there is a file of that name", remedy="choose another name, or overwrite it")
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, goal)
    except OSError as error:
        raise not_written("the file cannot be moved", error) from error
    return WireJSON(_told(goal, root, full_info))


@router.post("/userdata/{name:path}")
async def store_file(
    name: str, request: Request, now: ServicesNow, caller: _Submitter, overwrite: Unless = True, full_info: Flag = False
) -> WireJSON:
    """Store the body as a file."""
    root = user_folder(now, caller)
    goal, body = checked(root, name), await request.body()
    if os.path.lexists(goal) and not overwrite:
        raise FileExists("there is a file of that name", remedy="choose another name, or overwrite it")
    relative = goal.relative_to(root).as_posix()
    await run_sync(lambda: publish(root, relative, lambda part: part.write_bytes(body), overwrite=True))
    return WireJSON(_told(goal, root, full_info))


@router.delete("/userdata/{name:path}")
def delete_file(name: str, now: ServicesNow, caller: _Submitter) -> Response:
    """Remove a file."""
    _existing(checked(user_folder(now, caller), name)).unlink(missing_ok=True)
    return Response(status_code=204)


def _existing(path: Path) -> Path:
    try:
        there = path.is_file()
    except OSError:  # a name that no file can have
        there = False
    if not there:
        raise NotFound("there is no such file")
    return path


def _told(path: Path, root: Path, full_info: bool) -> Any:
    return _info(path, root) if full_info else path.relative_to(root).as_posix()


def _info(path: Path, root: Path) -> dict[str, Any]:
    status = path.stat()
    name = path.relative_to(root).as_posix()
    modified_ms, created_ms = (int(seconds * 1000) for seconds in (status.st_mtime, status.st_ctime))
    return {"path": name, "size": status.st_size, "modified": modified_ms, "created": created_ms}


def _entry(path: Path, root: Path) -> dict[str, Any]:
    told = {"name": path.name, "path": path.relative_to(root).as_posix()}
    if path.is_dir():
        return {**told, "type": "directory"}
    status = path.stat()
    return {**told, "type": "file", "size": status.st_size, "modified": status.st_mtime}


def _settings(root: Path) -> dict[str, Any]:
    try:
        found = json.loads((root / _SETTINGS).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _store_settings(root: Path, changes: dict[str, Any]) -> None:
    text = json.dumps(_settings(root) | changes, indent=2)
    publish(root, _SETTINGS, lambda part: part.write_text(text), overwrite=True)
