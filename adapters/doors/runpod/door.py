"""From a RunPod job to its reply: the input read and checked, the run followed, everything told as it happens."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync

from adapters.doors.runpod.replies import MAX_INPUT_BYTES, failed, limit_of
from adapters.host.settings import Settings
from adapters.run.direct.desk import Desk
from adapters.run.direct.messages import Completed, End, FailedEnd, Message, Previewed, Stopped
from adapters.run.direct.replies import Bucket, Reply
from adapters.run.direct.runner import DirectRunner
from adapters.service.conversions import Conversions
from adapters.service.error_documents import error_document
from adapters.service.error_table import public_document
from adapters.service.prepare.requests import read_input
from engine.context import CancelToken
from engine.errors import Cancelled, DagfusionError

_REPORT_EVERY_S = 1.0
_PREVIEW_EVERY_S = 1.0
# Of all previews of a job: RunPod counts them when it adds up the stream, and takes 1 MB of each piece.
_PREVIEW_CHARS = 1_000_000
_log = logging.getLogger(__name__)


async def _nobody(_job: Mapping[str, Any], _progress: Mapping[str, Any]) -> None:
    pass


@dataclass(frozen=True)
class Steps:
    """What the door tells besides replies: of a job how far it is, and that this worker should be replaced."""

    report: Callable[[Mapping[str, Any], Mapping[str, Any]], Awaitable[None]] = _nobody
    refresh: Callable[[], None] = lambda: None


class RunPodDoor:
    """``steps``: whom to tell of what happens before replies. ``bucket``: where files go, if there is one."""

    def __init__(self, settings: Settings, runner: DirectRunner, steps: Steps, bucket: Bucket | None = None) -> None:
        self._settings, self._runner, self._steps, self._bucket = settings, runner, steps, bucket
        self._desk = Desk(settings, runner)
        self._conversions = Conversions(runner.blobs)

    async def answer(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """The reply alone, as one object. Previews, where the job asks for them, are told as progress is."""
        reply: dict[str, Any] = {}
        async for part in self.stream(job, previews=False):
            if "preview" in part:
                await self._steps.report(job, part)
            reply = part
        return reply

    async def stream(self, job: Mapping[str, Any], *, previews: bool = True) -> AsyncGenerator[dict[str, Any], None]:
        """Previews, if they are wanted, then the reply. Raises nothing but ``CancelledError``."""
        job_id = str(job.get("id", ""))
        try:
            request = await run_sync(read_input, job.get("input"), MAX_INPUT_BYTES)
            order = await self._desk.take(job_id, request, previews=previews)
            reply = Reply(job_id, limit_of(job_id), request.output, order.notes, order.seed, self._bucket)
            cancel = CancelToken()
            end: Message = Stopped()
            async with aclosing(self._follow(job, self._runner.run(order.document, cancel), cancel)) as parts:
                async for part in parts:
                    if isinstance(part, End):
                        end = part
                    else:
                        yield part
            yield await self._ended(end, reply)
        except DagfusionError as error:
            _log.info("failed: %s", error.message, extra={"job_id": job_id})
            yield failed(error_document(error))
        except Exception as error:  # noqa: BLE001 - RunPod would show the traceback to the client
            _log.exception("unexpected error", extra={"job_id": job_id})
            yield failed(public_document(error))

    async def _follow(
        self, job: Mapping[str, Any], messages: Iterator[Message], cancel: CancelToken
    ) -> AsyncGenerator[dict[str, Any] | End, None]:
        """Previews as parts of the stream, and the end. A task that is cancelled stops the run."""
        reported_at = previewed_at = 0.0
        left = _PREVIEW_CHARS
        try:
            while (message := await run_sync(next, messages, None, abandon_on_cancel=True)) is not None:
                now = time.monotonic()
                if isinstance(message, End):
                    yield message
                elif not isinstance(message, Previewed):
                    if now >= reported_at + _REPORT_EVERY_S:
                        reported_at = now
                        await self._steps.report(job, message.progress)
                elif now >= previewed_at + _PREVIEW_EVERY_S and left > 0:
                    previewed_at = now
                    data = base64.b64encode(message.picture).decode()
                    left -= len(data)
                    preview = {"node_id": message.node_id, "media_type": message.media_type, "data": data}
                    yield {"preview": preview}
        finally:
            cancel.cancel()

    async def _ended(self, end: Message, reply: Reply) -> dict[str, Any]:
        if isinstance(end, Completed):
            answer = await run_sync(reply.completed, end.outputs, self._runner.blobs, self._conversions)
        else:
            answer = failed(end.error if isinstance(end, FailedEnd) else error_document(Cancelled()))
        if self._runner.sick is not None or "refresh_worker" in answer:
            reason = self._runner.sick or "it ran out of memory"
            _log.warning("this worker is to be replaced: %s", reason, extra={"job_id": reply.job_id})
            self._steps.refresh()
        return answer
