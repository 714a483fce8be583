"""Files that jobs made: whole, in ranges, in other picture formats."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Query, Request, Response
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse

from adapters.doors.http.auth import require
from adapters.doors.http.native.access import JobId, check_visible
from adapters.doors.http.native.output_documents import converts, download_name, is_picture, link_name
from adapters.doors.http.openapi import problems
from adapters.doors.http.services import Services, ServicesNow
from adapters.service.blobs.links import verify_download
from adapters.service.conversions import DEFAULT_QUALITY, PictureFormat, media_type_of
from adapters.service.errors import MediaTypeRefused, NotEnded, NotFound
from adapters.service.store.records import Output

router = APIRouter(prefix="/jobs", tags=["outputs"])
# What a browser may show by itself; anything else is saved, since it might be a page with a script in it.
_SHOWN = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/apng", "video/", "audio/")
_REDIRECT_LIFETIME_S = 300
_binary: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"application/octet-stream": _binary}},
    206: {"description": "The part that `Range` asks for.", "content": {"application/octet-stream": _binary}},
    304: {"description": "It is still what `If-None-Match` names."},
    307: {"description": "Where the storage itself has the file."},
    416: {"description": "There is no such range."},
    **problems(401, 403, 404, 409, 410, 415, 422, 429, 503),
}


@router.get(
    "/{job_id}/outputs/{name}",
    operation_id="get_output",
    summary="Download an output",
    response_class=Response,
    responses=_RESPONSES,
)
async def get_output(
    job_id: JobId,
    name: Annotated[str, Path(description="The output's name in the job.", max_length=300)],
    request: Request,
    now: ServicesNow,
    format: Annotated[PictureFormat | None, Query(description="Convert a picture to this format.")] = None,
    quality: Annotated[int, Query(ge=1, le=100, description="Of JPEG and WebP.")] = DEFAULT_QUALITY,
    download: Annotated[bool, Query(description="Let browsers save it rather than show it.")] = False,
    expires: Annotated[int | None, Query(description="Part of a signed link.", ge=0, lt=2**53)] = None,
    signature: Annotated[str | None, Query(description="Part of a signed link.", max_length=100)] = None,
) -> Response:
    """The file, for whoever may read the job or holds a link from the job's outputs.

    Knows `Range`, `If-Range` and `If-None-Match`; the ETag is the SHA-256 of the contents.
    """
    if signature is None or expires is None:
        caller = await require("read")(request)
        await run_sync(check_visible, now, job_id, caller)
    output = await run_sync(_find, now, job_id, name)
    if signature is not None and expires is not None:
        verify_download(now.secret, output.digest or "", link_name(job_id, output.name), expires, signature)
    if output.digest is None:
        return PlainTextResponse(output.data) if isinstance(output.data, str) else JSONResponse(output.data)
    if format is not None and not is_picture(output):
        raise MediaTypeRefused(f"'{output.media_type}' cannot be given as {format}", remedy="leave the format out")
    return await _file(request, now, output, output.digest, format, quality, download)


async def _file(
    request: Request,
    now: Services,
    output: Output,
    digest: str,
    format: PictureFormat | None,
    quality: int,
    download: bool,
) -> Response:
    media_type = output.media_type or "application/octet-stream"
    name = download_name(output, format)
    if format is not None and converts(output, format):
        blob = await run_sync(now.conversions.get, digest, format, quality)
        digest, media_type = blob.digest, media_type_of(format)
    headers = {
        "ETag": f'"{digest}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": _disposition(name, media_type, download),
        "Content-Security-Policy": "sandbox",
    }
    if _matches(request.headers.get("if-none-match"), digest):
        return Response(status_code=304, headers=headers)
    path = await run_sync(now.blobs.local_path, digest)
    if path is not None:
        return FileResponse(path, media_type=media_type, headers=headers)
    link = await run_sync(now.blobs.signed_url, digest, name, media_type, _REDIRECT_LIFETIME_S)
    if link is not None:
        return RedirectResponse(link, headers={"Cache-Control": "no-store"})
    headers["Content-Length"] = str(await run_sync(now.blobs.size, digest))
    return StreamingResponse(now.blobs.chunks(digest), media_type=media_type, headers=headers)


def _find(now: Services, job_id: str, name: str) -> Output:
    found = now.store.jobs.output(job_id, name)
    if found is not None:
        return found
    if not now.store.jobs.has_ended(job_id):
        raise NotEnded("the job has not ended yet", remedy="wait for its end, then ask again")
    raise NotFound(f"the job has no output '{name[:100]}'", remedy="take the names from the job's outputs")


def _disposition(name: str, media_type: str, download: bool) -> str:
    kind = "inline" if media_type.startswith(_SHOWN) and not download else "attachment"
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)  # for clients that know no other form, such as curl
    return f"{kind}; filename=\"{plain}\"; filename*=utf-8''{quote(name, safe='')}"


def _matches(header: str | None, digest: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in (header or "").split(",")]
    return digest in tags or "*" in tags
