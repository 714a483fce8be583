"""``/view``: files of the input, output and temp folders, as they are or as a preview or channel of a picture."""

from __future__ import annotations

import mimetypes
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import FileResponse, Response

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.comfy.pictures import Rendering, render
from adapters.doors.http.comfy.ranges import blob_response
from adapters.doors.http.comfy.wire_files import blob_of, local_path, named_place
from adapters.doors.http.services import ServicesNow
from adapters.doors.http.spaces import folders_of

router = APIRouter()
# What a browser would run in this service's name is downloaded instead.
_ACTIVE = frozenset(
    {
        "text/html",
        "text/html-sandboxed",
        "application/xhtml+xml",
        "text/javascript",
        "application/javascript",
        "text/css",
        "text/xml",
        "application/xml",
        "image/svg+xml",
        "application/pdf",
    }
)


@router.api_route("/view", methods=["GET", "HEAD"])
def view(
    request: Request,
    now: ServicesNow,
    caller: Annotated[Caller, Depends(require("read"))],
    filename: Annotated[str, Query(max_length=1000)],
    subfolder: Annotated[str, Query(max_length=1000)] = "",
    folder: Annotated[str, Query(alias="type")] = "output",
    preview: str | None = None,
    channel: str = "rgba",
) -> Response:
    """``preview=webp;90`` or ``jpeg`` is a smaller file; ``channel`` is ``rgb``, ``a`` or ``rgba``. Takes ranges."""
    place = named_place(filename, subfolder, folder)
    headers = {"Content-Disposition": disposition(place.filename), "X-Content-Type-Options": "nosniff"}
    path = local_path(folders_of(now, caller), place)
    digest = None if path is not None else blob_of(now, caller, place)
    rendering = Rendering.asked(preview, channel)
    if rendering is not None:
        with path.open("rb") if path is not None else now.blobs.open(digest or "") as file:
            picture, media_type = render(file, rendering, now.settings.max_megapixels)
        return Response(picture, media_type=media_type, headers=headers)
    media_type = media_type_of(place.filename)
    path = path or now.blobs.local_path(digest or "")
    if path is not None:
        return FileResponse(path, media_type=media_type, headers=headers)
    return blob_response(request, now.blobs, digest or "", media_type, headers)


def media_type_of(filename: str) -> str:
    """By the name's ending; ``application/octet-stream`` for what would run in a browser."""
    guessed = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return "application/octet-stream" if guessed in _ACTIVE else guessed


def disposition(filename: str) -> str:
    """The header ``Content-Disposition``: ComfyUI's ``filename="..."``, and the exact name where that is not ASCII."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    exact = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'filename="{plain}"{exact}'
