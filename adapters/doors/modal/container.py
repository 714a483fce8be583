"""The GPU container: runs job documents that API containers send, and tells of them as a stream of messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.doors.modal.commits import Commits
from adapters.doors.modal.places import MountedPaths, check_writable
from adapters.doors.modal.shared_blobs import MountedVolume, SharedBlobs
from adapters.doors.modal.start import ContainerStart
from adapters.host.settings import Settings
from adapters.run.direct.messages import Completed, FailedEnd
from adapters.run.relay.far import FarMessage, Unable
from adapters.run.relay.pulse import EVERY_S, with_pulse
from adapters.service.error_documents import error_document
from adapters.service.error_table import row_named
from engine.context import CancelToken
from engine.errors import DagfusionError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """The first message: a container has the job, under this id of Modal's, by which it can be cancelled."""

    call_id: str


class GpuContainer:
    """``retire``: have no more jobs sent here, so that a new container takes its place.

    ``install``: puts what was built for the GPU into this Python, where it is not there yet.
    """

    def __init__(
        self,
        places: MountedPaths,
        settings: Settings,
        volume: MountedVolume,
        retire: Callable[[], None] = lambda: None,
        *,
        install: Callable[[], object] = lambda: None,
        pulse_s: float = EVERY_S,
    ) -> None:
        self.start = ContainerStart(settings)
        self._places, self._retire, self._install, self._pulse_s = places, retire, install, pulse_s
        self._volume = None if "://" in settings.blob_url else volume  # there are no blobs in it
        self._blobs: SharedBlobs | None = None
        self._commits = Commits(volume.commit)

    def load(self) -> None:
        """Phase one: see :class:`ContainerStart`. Nothing is opened that would not survive a snapshot."""
        self._install()
        self.start.load()

    def move(self) -> None:
        """Phase two, as far as a snapshot may hold it too."""
        self.start.move()

    def resume(self) -> None:
        """After a start, from a snapshot or not: complete what is not done, and be ready for jobs."""
        self._places.make_local()
        self._install()
        self._commits.start()
        self.start.move(check=lambda: check_writable(self._places.jobs))
        if self.start.runner is not None:
            self._blobs = SharedBlobs(self.start.runner.blobs, self._volume)

    async def run(self, document: Mapping[str, Any], call_id: str = "") -> AsyncIterator[FarMessage | Taken]:
        """Run the job. Raises nothing but ``CancelledError``, which stops it: failures are messages."""
        yield Taken(call_id)
        runner, blobs = self.start.runner, self._blobs
        if runner is None or blobs is None:
            await asyncio.to_thread(self._retire)
            yield self._refusal()
            return
        with self._commits.work():
            try:
                await asyncio.to_thread(blobs.see, [file["digest"] for file in document.get("files", ())])
            except DagfusionError as error:
                yield FailedEnd(error_document(error))
                return
            cancel = CancelToken()
            async for message in with_pulse(runner.run(document, cancel), cancel, self._pulse_s):
                yield await self._committed(message) if isinstance(message, Completed) else message
        if runner.sick is not None:
            _log.error("this container is to be replaced: %s", runner.sick)
            await asyncio.to_thread(self._retire)

    def close(self) -> None:
        """The container ends: what was written is committed."""
        self._commits.close()

    def _refusal(self) -> FailedEnd | Unable:
        """Why the container has not started. Another one is tried where that may help."""
        error = self.start.failure or {"type": "WorkerLost", "message": "the container has not started", "remedy": ""}
        return Unable(error) if row_named(str(error["type"])).retry else FailedEnd(error)

    async def _committed(self, end: Completed) -> Completed | FailedEnd:
        """The end, once the API can see its files."""
        if all(output.digest is None for output in end.outputs):
            return end
        try:
            await asyncio.to_thread(self._commits.now)
        except DagfusionError as error:
            return FailedEnd(error_document(error), end.entries)
        return end
