"""``/upload/image`` and ``/upload/mask``: files from clients, put into the input, output or temp folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData, UploadFile

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.comfy.forms import read_form, text_of
from adapters.doors.http.comfy.pictures import with_alpha_of
from adapters.doors.http.comfy.replies import WireJSON
from adapters.doors.http.comfy.wire_files import local_path, named_place, place_of
from adapters.doors.http.services import Services, ServicesNow
from adapters.doors.http.spaces import folders_of
from adapters.service.errors import NotFound, RequestInvalid
from adapters.service.intake.contents import check_picture
from adapters.service.new_files import publish
from engine.folders import Folders

router = APIRouter()
_Submitter = Annotated[Caller, Depends(require("submit"))]


@router.post("/upload/image")
async def upload_image(request: Request, now: ServicesNow, caller: _Submitter) -> WireJSON:
    """Any file, whatever the route is called. A file of the same name and contents is not written again; one of the
    same name only is kept, and the new one called ``name (1).png``, unless ``overwrite`` is true.
    """
    async with read_form(request, now.settings) as form:
        return WireJSON(await run_sync(_save, folders_of(now, caller), form, _copy_of(now, _file(form))))


@router.post("/upload/mask")
async def upload_mask(request: Request, now: ServicesNow, caller: _Submitter) -> WireJSON:
    """The picture that ``original_ref`` names with the alpha of the file ``image``, as a new PNG file."""
    async with read_form(request, now.settings) as form:
        return WireJSON(await run_sync(_save, folders_of(now, caller), form, _masked(now, caller, form)))


def _save(folders: Folders, form: FormData, write: Callable[[Path], object]) -> dict[str, str]:
    folder, subfolder = text_of(form, "type") or "input", text_of(form, "subfolder")
    name = _file(form).filename or ""
    place = place_of(name, subfolder, folder)
    overwrite = text_of(form, "overwrite") in ("true", "1")
    saved = publish(getattr(folders, folder), place.relative, write, overwrite=overwrite)
    before, slash, _ = name.rpartition("/")
    return {"name": before + slash + saved.name, "subfolder": subfolder, "type": folder}


def _file(form: FormData) -> UploadFile:
    found = form.get("image")
    if not isinstance(found, UploadFile) or not found.filename:
        raise RequestInvalid("the form has no file 'image'", remedy="send one with a file name, as multipart/form-data")
    return found


def _copy_of(now: Services, file: UploadFile) -> Callable[[Path], object]:
    def write(target: Path) -> None:
        with target.open("xb") as out:
            shutil.copyfileobj(file.file, out, 2**20)
        check_picture(file.filename or "", target, int(now.settings.max_megapixels * 1e6))

    return write


def _masked(now: Services, caller: Caller, form: FormData) -> Callable[[Path], object]:
    original = _original(text_of(form, "original_ref"))
    filename, subfolder = str(original.get("filename") or ""), str(original.get("subfolder") or "")
    place = named_place(filename, subfolder, str(original.get("type") or "output"))
    path = local_path(folders_of(now, caller), place)
    if path is None:
        raise NotFound(f"there is no picture '{place.relative:.200}' in {place.folder} to put the mask on")
    mask: BinaryIO = _file(form).file
    return lambda target: with_alpha_of(path, mask, target, now.settings.max_megapixels)


def _original(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestInvalid("'original_ref' is not JSON") from error
    if not isinstance(found, dict):
        raise RequestInvalid(
            "'original_ref' is no object", remedy='send {"filename": ..., "subfolder": ..., "type": ...}'
        )
    return found
