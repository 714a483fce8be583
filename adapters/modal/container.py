"""The GPU container: runs job documents that API containers send, and tells of them as a stream of messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.direct.messages import Completed, Failed
from adapters.error_documents import error_document
from adapters.modal.commits import Commits
from adapters.modal.shared_blobs import SharedBlobs
from adapters.modal.start import Start
from adapters.relay.far import FarMessage
from adapters.relay.pulse import EVERY_S, with_pulse
from engine.context import CancelToken
from engine.errors import DagfusionError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """The first message: a container has the job, under this id of Modal's, by which it can be cancelled."""

    call_id: str


class GpuContainer:
    """``retire``: have no more jobs sent here, so that a new container takes its place."""

    def __init__(
        self,
        start: Start,
        blobs: SharedBlobs,
        commits: Commits,
        retire: Callable[[], None] = lambda: None,
        pulse_s: float = EVERY_S,
    ) -> None:
        self.start = start
        self._blobs, self._commits, self._retire, self._pulse_s = blobs, commits, retire, pulse_s

    async def run(self, document: Mapping[str, Any], call_id: str = "") -> AsyncIterator[FarMessage | Taken]:
        """Run the job. Raises nothing but ``CancelledError``, which stops it: failures are messages."""
        yield Taken(call_id)
        runner = self.start.runner
        if runner is None:
            self._retire()
            yield Failed(self.start.failure or {"type": "WorkerLost", "message": "the container has not started"})
            return
        with self._commits.work():
            try:
                await asyncio.to_thread(self._blobs.see, [file["digest"] for file in document.get("files", ())])
            except DagfusionError as error:
                yield Failed(error_document(error))
                return
            cancel = CancelToken()
            async for message in with_pulse(runner.run(document, cancel), cancel, self._pulse_s):
                yield await self._committed(message) if isinstance(message, Completed) else message
        if runner.sick is not None:
            _log.error("this container is to be replaced: %s", runner.sick)
            self._retire()

    def close(self) -> None:
        """The container ends: what was written is committed."""
        self._commits.close()

    async def _committed(self, end: Completed) -> Completed | Failed:
        """The end, once the API can see its files."""
        if all(output.digest is None for output in end.outputs):
            return end
        try:
            await asyncio.to_thread(self._commits.now)
        except DagfusionError as error:
            return Failed(error_document(error), end.entries)
        return end
