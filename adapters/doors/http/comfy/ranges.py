"""A blob of a remote store as a reply, whole or the one range that the request asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from adapters.service.blobs.store import CHUNK_BYTES, BlobStore

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def blob_response(
    request: Request, blobs: BlobStore, digest: str, media_type: str, headers: dict[str, str]
) -> Response:
    """Status 200, 206 for one range (several are answered by the whole), or 416. Raises ``BlobMissing``."""
    size = blobs.size(digest)
    headers = headers | {"Accept-Ranges": "bytes", "ETag": f'"{digest}"'}
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or not any(found.groups()):
        return StreamingResponse(blobs.chunks(digest), 200, headers | {"Content-Length": str(size)}, media_type)
    first, last = _bounds(found[1], found[2], size)
    if first > last:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    told = {"Content-Range": f"bytes {first}-{last}/{size}", "Content-Length": str(last - first + 1)}
    return StreamingResponse(_part(blobs, digest, first, last), 206, headers | told, media_type)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:  # the last so many bytes
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _part(blobs: BlobStore, digest: str, first: int, last: int) -> Iterator[bytes]:
    with blobs.open(digest) as file:
        file.seek(first)
        left = last - first + 1
        while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
