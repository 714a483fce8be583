"""Output files on their way into a reply: as they were made, or smaller, or by URL, so that it is not too large.

Platforms that carry replies drop those that are larger than they take, with the whole result in them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Literal

from adapters.service.blobs.store import BlobStore
from adapters.service.conversions import SUFFIXES, Conversions, PictureFormat, media_type_of
from adapters.service.errors import MediaTypeRefused
from adapters.service.prepare.requests import OutputRequest
from adapters.service.store.records import Output

_QUALITIES = (90, 75, 50, 25)
LINK_S = 7 * 24 * 3600
Upload = Callable[[Output, str], str | None]  # of a file, with its name: where it can be had from then on
Way = Literal["base64", "s3_url", "path"]


class OutFile:
    """``way``: whether :meth:`data` is the contents, a URL, or where this worker keeps the file."""

    def __init__(self, output: Output, blobs: BlobStore, conversions: Conversions, request: OutputRequest) -> None:
        self.output = output
        self.way: Way = "base64"
        self.copies = 1  # in the reply
        self.filename = output.filename or output.name
        self.media_type = output.media_type or "application/octet-stream"
        self.size_bytes = output.size_bytes or 0
        self.digest = output.digest or ""
        self._where = ""
        self._blobs, self._conversions = blobs, conversions
        self.is_picture = self.media_type.startswith("image/")
        # WebP keeps what moves and what is transparent; whoever wants JPEG has said so.
        smaller: PictureFormat = "jpeg" if request.format == "jpeg" else "webp"
        self._smaller = iter([(smaller, quality) for quality in _QUALITIES if self.is_picture])
        if request.format is not None and self.is_picture and self.media_type != media_type_of(request.format):
            self._convert(request.format, request.quality)

    @property
    def data_chars(self) -> int:
        """How much room :meth:`data` takes."""
        return self.copies * ((self.size_bytes + 2) // 3 * 4 if self.way == "base64" else len(self._where))

    def data(self) -> str:
        """Base64, a URL, or a path."""
        if self.way != "base64":
            return self._where
        return base64.b64encode(b"".join(self._blobs.chunks(self.digest))).decode()

    def lead_to(self, way: Literal["s3_url", "path"], where: str) -> None:
        """Say where the file is instead of what it holds; as it was made."""
        self.way, self._where = way, where
        self.filename = self.output.filename or self.output.name
        self.media_type = self.output.media_type or self.media_type
        self.size_bytes = self.output.size_bytes or 0

    def shrink(self) -> bool:
        """Take the next smaller format; false where there is none left."""
        before = self.size_bytes
        return any(self._convert(smaller, quality, below_bytes=before) for smaller, quality in self._smaller)

    def _convert(self, format: PictureFormat, quality: int, below_bytes: int | None = None) -> bool:
        try:
            blob = self._conversions.get(self.output.digest or "", format, quality)
        except (MediaTypeRefused, ValueError):  # no picture after all, or too many pixels for the format
            return False
        if below_bytes is not None and blob.size_bytes >= below_bytes:
            return False
        self.digest, self.size_bytes = blob.digest, blob.size_bytes
        self.media_type = media_type_of(format)
        self.filename = str(PurePath(self.output.filename or self.output.name).with_suffix(SUFFIXES[format]))
        return True


class Fit:
    """Changes files, the largest first, until all of them have room. ``notes``: what has to be said about it.

    ``upload`` is tried first: it gives ``None`` where there is no bucket. ``keep``: where a file is on this worker.
    """

    def __init__(
        self, files: Iterable[OutFile], room_chars: int, upload: Upload, keep: Callable[[Output], str]
    ) -> None:
        self._files = list(files)
        self._room_chars, self._upload, self._keep = room_chars, upload, keep
        self._notes: dict[str, str] = {}  # by file
        for file in self._files:
            if not file.is_picture and file.data_chars > room_chars:
                self._send_away(file)
        while self._is_too_much and (inline := [one for one in self._files if one.way == "base64"]):
            if not self._reduce(inline):
                self._send_away(max(inline, key=lambda one: one.data_chars))

    @property
    def notes(self) -> list[str]:
        """Sentences."""
        return list(self._notes.values())

    @property
    def _is_too_much(self) -> bool:
        return sum(file.data_chars for file in self._files) > self._room_chars

    def _reduce(self, inline: list[OutFile]) -> bool:
        """Make the largest file smaller that can be; false where none can."""
        for file in sorted(inline, key=lambda one: -one.data_chars):
            if self._link(file):
                return True
            if file.shrink():
                self._notes[_name(file)] = f"{_name(file)} comes as {file.media_type}: {_TOO_LARGE}"
                return True
        return False

    def _link(self, file: OutFile) -> bool:
        url = self._upload(file.output, _name(file))
        if url is not None:
            file.lead_to("s3_url", url)
            self._notes.pop(_name(file), None)
        return url is not None

    def _send_away(self, file: OutFile) -> None:
        if not self._link(file):
            where = self._keep(file.output)
            file.lead_to("path", where)
            self._notes[_name(file)] = f"{_name(file)} stays on the worker, at {where}: {_TOO_LARGE}; {_REMEDY}"


def _name(file: OutFile) -> str:
    return file.output.filename or file.output.name


_TOO_LARGE = "the reply would have been larger than the platform takes"
_REMEDY = "set DAGFUSION_BLOBS=s3://... or BUCKET_ENDPOINT_URL, so that files come as URLs"
