"""From an invocation to its reply: the body read and checked, the job run, its outputs in one JSON document."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from adapters.doors.sagemaker.statuses import status_of
from adapters.host.settings import Settings
from adapters.run.direct.desk import Desk
from adapters.run.direct.messages import Completed, End, FailedEnd, Message
from adapters.run.direct.replies import Reply
from adapters.run.direct.runner import DirectRunner
from adapters.service.conversions import Conversions
from adapters.service.error_documents import error_document
from adapters.service.error_table import public_document, row_named
from adapters.service.errors import BodyTooLarge
from adapters.service.prepare.requests import read_input
from adapters.service.store.records import Output
from engine.context import CancelToken
from engine.errors import Cancelled
from engine.strict_json import parse_json

# What SageMaker takes of an invocation and of its reply.
MAX_BYTES = 25_000_000
_log = logging.getLogger(__name__)


class SageMakerDoor:
    """Answers invocations with the engine of this process."""

    def __init__(self, settings: Settings, runner: DirectRunner) -> None:
        self._runner, self._desk = runner, Desk(settings, runner)
        self._conversions = Conversions(runner.blobs)

    async def ping(self, _request: Request) -> Response:
        """Status 200 while jobs can run; SageMaker replaces a container that says otherwise."""
        sick = self._runner.sick
        return PlainTextResponse(sick or "", status_code=503 if sick else 200)

    async def invocations(self, request: Request) -> Response:
        """Run what the body asks for: ``{"workflow": ...}`` or ``{"prompt": ...}``, bare or in ``input``.

        The reply is worker-comfyui's document; the first picture alone where ``Accept`` asks for an image.
        """
        job_id = secrets.token_hex(8)
        try:
            given = await run_sync(_document, await _body(request))
            asked = await run_sync(read_input, given, MAX_BYTES)
            order = await self._desk.take(job_id, asked, previews=False)
            end = await self._run(order.document)
            if not isinstance(end, Completed):
                return _refusal(end.error if isinstance(end, FailedEnd) else error_document(Cancelled()))
            if request.headers.get("accept", "").startswith("image/") and (picture := _first_picture(end.outputs)):
                blob = await run_sync(self._contents, picture)
                return Response(blob, media_type=picture.media_type)
            reply = Reply(job_id, MAX_BYTES, asked.output, order.notes, order.seed)
            return JSONResponse(await run_sync(reply.completed, end.outputs, self._runner.blobs, self._conversions))
        except Exception as error:  # noqa: BLE001 - the caller is told, whatever it is
            document = public_document(error)
            if status_of(document) == 500:
                _log.exception("the invocation failed", extra={"job_id": job_id})
            return _refusal(document)

    async def _run(self, document: Mapping[str, Any]) -> Message | None:
        """The run's last message. A caller that goes away stops the run."""
        cancel = CancelToken()
        messages = self._runner.run(document, cancel)
        try:
            return await run_sync(_last, messages, abandon_on_cancel=True)
        finally:
            cancel.cancel()

    def _contents(self, output: Output) -> bytes:
        return b"".join(self._runner.blobs.chunks(output.digest or ""))


def _last(messages: Iterator[Message]) -> Message | None:
    return next((message for message in messages if isinstance(message, End)), None)


def _document(body: bytes) -> Any:
    given = parse_json(body, "the body", max_bytes=MAX_BYTES)
    wrapped = isinstance(given, Mapping) and given.keys() == {"input"}
    return given["input"] if wrapped else given


async def _body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BYTES:
            raise BodyTooLarge(f"the body has more than {MAX_BYTES:,} bytes", remedy="give pictures by URL")
        chunks.append(chunk)
    return b"".join(chunks)


def _first_picture(outputs: Iterable[Output]) -> Output | None:
    pictures = (one for one in outputs if one.digest and (one.media_type or "").startswith("image/"))
    return next(pictures, None)


def _refusal(document: Mapping[str, Any]) -> Response:
    row = row_named(str(document.get("type", "")))
    told = dict(document) | {"code": row.code, "retry": row.retry}
    return Response(
        json.dumps({"error": told}, ensure_ascii=False, default=str),
        status_code=status_of(document),
        media_type="application/json",
    )
