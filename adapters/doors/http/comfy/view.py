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
# What a browser may show by itself. Whatever else it is, it might be run in this service's name: it is downloaded.
_SHOWN = frozenset(
    {
        *(f"image/{kind}" for kind in ("png", "apng", "jpeg", "webp", "gif", "bmp", "avif", "jxl", "heic", "tiff")),
        *(f"video/{kind}" for kind in ("mp4", "webm", "ogg", "quicktime", "x-matroska")),
        *(f"audio/{kind}" for kind in ("mpeg", "mp4", "ogg", "opus", "wav", "x-wav", "flac", "x-flac", "aac", "webm")),
    }
)
# Even where a browser takes it for a page: no scripts, no forms, no origin, nothing loaded but itself.
_POLICY = (
    "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'"
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
    headers = {
        "Content-Disposition": disposition(place.filename),
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
    }
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
    """By the name's ending; ``application/octet-stream`` for what is not a known kind of media."""
    guessed = mimetypes.guess_type(filename)[0] or ""
    return guessed if guessed in _SHOWN else "application/octet-stream"


def disposition(filename: str) -> str:
    """The header ``Content-Disposition``: ComfyUI's ``filename="..."``, and the exact name where that is not ASCII.

    What is not a known kind of media is an attachment.
    """
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename)
    exact = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    kind = "" if media_type_of(filename) in _SHOWN else "attachment; "
    return f'{kind}filename="{plain}"{exact}'
