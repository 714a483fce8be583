"""What goes back for a job that has ended: worker-comfyui's ``images``, and all outputs beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.run.direct.reply_files import LINK_S, Fit, OutFile
from adapters.service.blobs.store import BlobStore
from adapters.service.conversions import Conversions
from adapters.service.errors import BodyTooLarge
from adapters.service.prepare.requests import OutputRequest
from adapters.service.store.records import Output

_NOTE_BYTES = 1000  # at most, to say what became of a file
Bucket = Callable[[str, str, bytes], str | None]  # of job id, file name and contents: the file's URL


def size_of(reply: Mapping[str, Any]) -> int:
    """The reply's size in bytes, as JSON is sent."""
    return len(json.dumps(reply, ensure_ascii=False).encode())


@dataclass(frozen=True)
class Reply:
    """How one job is answered.

    ``limit_bytes``: of the whole reply. ``notes``: what was left out when the workflow was read. ``seed``: of a picture
    by plain parameters, which is answered as SDXL workers do. ``bucket``: takes every file, where there is one.
    """

    job_id: str
    limit_bytes: int
    request: OutputRequest
    notes: Sequence[str] = ()
    seed: int | None = None
    bucket: Bucket | None = None

    def completed(self, outputs: Sequence[Output], blobs: BlobStore, conversions: Conversions) -> dict[str, Any]:
        """The reply. Reads files, converts and uploads them. Raises ``BodyTooLarge`` where texts alone are too much."""
        files = {one.name: OutFile(one, blobs, conversions, self.request) for one in outputs if one.digest is not None}
        notes: list[str] = []
        if self.bucket is not None:
            for file in files.values():
                self._put(file, blobs, notes)
        if self.seed is not None and (first := next((one for one in outputs if _is_shown(one)), None)):
            files[first.name].copies = 2
        around = size_of(self._document(outputs, files, notes, lambda _: "")) + _NOTE_BYTES * len(files)
        if around > self.limit_bytes:
            raise BodyTooLarge(
                f"what the nodes show is more than the {self.limit_bytes:,} bytes of a reply",
                remedy="save long texts as files, or want fewer outputs",
            )
        room = self.limit_bytes - around
        notes += Fit(files.values(), room, lambda one, name: _link(one, name, blobs), _place(blobs)).notes
        return self._document(outputs, files, notes, OutFile.data)

    def _put(self, file: OutFile, blobs: BlobStore, notes: list[str]) -> None:
        assert self.bucket is not None
        contents = b"".join(blobs.chunks(file.digest))
        url = self.bucket(self.job_id, file.filename, contents)
        if url is None:
            notes.append(f"{file.filename} could not be put into the bucket")
        else:
            file.lead_to("s3_url", url)

    def _document(
        self,
        outputs: Sequence[Output],
        files: Mapping[str, OutFile],
        notes: Sequence[str],
        data: Callable[[OutFile], str],
    ) -> dict[str, Any]:
        shown = [files[one.name] for one in outputs if _is_shown(one)]
        images: list[Any] = [{"filename": one.filename, "type": one.way, "data": data(one)} for one in shown]
        reply: dict[str, Any] = {"images": images}
        if self.seed is not None:
            urls = [None if one.way == "path" else _url(one, data(one)) for one in shown]
            first = next(iter(urls), None)
            reply = {"images": [url for url in urls if url], "image_url": first, "seed": self.seed}
        reply["outputs"] = [_described(one, files.get(one.name), data) for one in outputs]
        if not images:
            reply["status"] = "success_no_images"
        if self.notes:
            reply["notes"] = list(self.notes)
        if notes:
            reply["errors"] = list(notes)
        return reply


def _is_shown(output: Output) -> bool:
    """Whether worker-comfyui would send it: what a node saved, but no picture that is for looking at only."""
    return output.digest is not None and output.kind == "images" and output.folder != "temp"


def _described(output: Output, file: OutFile | None, data: Callable[[OutFile], str]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": output.name,
        "node_id": output.node_id,
        "class_type": output.class_type,
        "kind": output.kind,
        "cached": output.cached,
    }
    if file is None:
        return document | {"value": output.data}
    document |= {"filename": file.filename, "media_type": file.media_type, "size_bytes": file.size_bytes}
    return document if _is_shown(output) else document | {"type": file.way, "data": data(file)}


def _url(file: OutFile, data: str) -> str:
    return data if file.way == "s3_url" else f"data:{file.media_type};base64,{data}"


def _link(output: Output, name: str, blobs: BlobStore) -> str | None:
    return blobs.signed_url(output.digest or "", name, output.media_type or "application/octet-stream", LINK_S)


def _place(blobs: BlobStore) -> Callable[[Output], str]:
    return lambda output: str(blobs.local_path(output.digest or "") or output.digest)
