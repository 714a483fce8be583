"""Reads submissions from request bodies: JSON, or a form with the workflow and files as parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from anyio.to_thread import run_sync
from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from adapters.doors.http.bodies import StrictRequest, read_json
from adapters.doors.http.native.submission import WorkflowRequest
from adapters.service.errors import BodyTooLarge, MediaTypeRefused, RequestInvalid
from adapters.service.intake.take import Source
from adapters.service.prepare.validation import validated
from engine.strict_json import MAX_BYTES
from engine.unwrap import is_api

Form = TypeVar("Form", bound=WorkflowRequest)
Form_co = TypeVar("Form_co", bound=WorkflowRequest, covariant=True)
_MAX_PARTS = 100
_JSON_FIELDS = frozenset({"workflow", "files", "overrides", "targets", "webhook", "output"})
_MULTIPART = "multipart/form-data"


@dataclass(frozen=True)
class Body(Generic[Form_co]):
    """A request, and the files that came with it by the names that the workflow has for them.

    ``picture``: a file that carries the workflow, instead of the one in ``request``.
    """

    request: Form_co
    sources: Mapping[str, Source]
    picture: bytes | None = None
    form: FormData | None = field(default=None, repr=False)

    async def close(self) -> None:
        """Forget the uploads."""
        if self.form is not None:
            await self.form.close()


async def read_body(request: Request, kind: type[Form]) -> Body[Form]:
    """The request in ``kind``'s form. A JSON body without a member ``workflow`` is taken for the workflow itself.

    Raises ``RequestInvalid`` and what reading JSON raises.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type == _MULTIPART:
        return await _read_form(request, kind)
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise MediaTypeRefused(f"a body of type '{media_type[:100]}'", remedy=f"send application/json or {_MULTIPART}")
    document = await StrictRequest(request.scope, request.receive).json()
    if not isinstance(document, dict):
        raise RequestInvalid("the body is JSON, but no object", remedy='send {"workflow": {...}}')
    if "workflow" not in document or not document.keys() <= kind.model_fields.keys() | {"workflow"}:
        document = _bare(document, kind)
    found = validated(kind, document)
    return Body(found, found.files)


def _bare(document: dict[str, Any], kind: type[WorkflowRequest]) -> dict[str, Any]:
    """A workflow on its own, or in a wrapper of ComfyUI's, as a request; a request with a mistake stays one.

    What stands beside a member ``workflow`` is a field of a request, unless that is a node of this name, or the UI form
    beside the API form (``prompt``), as in pictures.
    """
    wrapper = "workflow" not in document or "prompt" in document or is_api(document)
    ours = document.keys() & (kind.model_fields.keys() - {"workflow"})
    return {"workflow": document} if wrapper and not ours else document


async def _read_form(request: Request, kind: type[Form]) -> Body[Form]:
    form = await request.form(max_files=_MAX_PARTS, max_fields=_MAX_PARTS, max_part_size=MAX_BYTES)
    try:
        document: dict[str, Any] = {}
        uploads: dict[str, UploadFile] = {}
        picture: bytes | None = None
        for name, value in form.multi_items():
            if isinstance(value, str):
                document[name] = await run_sync(read_json, value.encode()) if name in _JSON_FIELDS else value
            elif name == "workflow":
                picture = await _workflow_file(value)
                document[name] = {}
            else:
                uploads[(value.filename or name) if name in ("files", "file") else name] = value
        found = validated(kind, document)
    except BaseException:
        await form.close()
        raise
    return Body(found, {**found.files, **uploads}, picture, form)


async def _workflow_file(upload: UploadFile) -> bytes:
    if (upload.size or 0) > MAX_BYTES:
        raise BodyTooLarge(f"the workflow's file has more than {MAX_BYTES // 2**20} MiB", remedy="send a smaller one")
    return await upload.read()
