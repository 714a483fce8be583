"""Passes a run's events on from a separate thread, so that no sampler waits for a database or a network."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from adapters.host.threads import start_thread
from adapters.run.worker.new_events import new_event_of
from adapters.run.worker.progress import JobProgress
from adapters.service.store.records import NewEvent
from engine.context import CancelToken
from engine.events import Event, NodePreview

if TYPE_CHECKING:
    import torch

_SOON_S = 0.010  # after which a node's start or end is written
_PROGRESS_S = 0.050  # after which progress within a node is
_PREVIEW_EVERY_S = 0.100
_RETRY_S = 1.0
_MAX_UNWRITTEN = 10_000
_CANCEL_CHECK_S = 0.1
_PREVIEW_SIDE_PX = 512
_PREVIEW_QUALITY = 85
_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where a run's events go. Called from the recorder's thread, one call at a time; may take its time."""

    def record(self, batch: Sequence[NewEvent], progress: Mapping[str, Any]) -> bool:
        """Take what happened, in order; false where it has to be offered again later."""
        ...

    def preview(self, node_id: str, media_type: str, picture: bytes) -> None:
        """Take the newest unfinished picture."""
        ...


class Recorder:
    """A listener for one run. Use it as a context; what it has not written at the end is in :attr:`unwritten`.

    Progress and previews never wait: newer ones replace those not yet written. A node's start or end waits once
    10,000 of them are unwritten, until they are written or the run's ``cancel`` is set. ``start`` runs the writer in a
    thread: a new one, or a reused one, since starting a thread takes as long as a small job.
    """

    def __init__(
        self,
        sink: Sink,
        progress: JobProgress,
        start: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self.unwritten: list[NewEvent] = []
        self._sink, self._progress = sink, progress
        self._condition = threading.Condition()
        self._due: float | None = None
        self._preview: NodePreview | None = None
        self._preview_due = 0.0
        self._closed = self._writing = self._told_broken = False
        self.cancel = CancelToken()
        self._start = start or _start_thread

    def __enter__(self) -> Recorder:
        self._start(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            self._condition.wait_for(lambda: not self._writing)

    def __call__(self, event: Event) -> None:
        """Take note of ``event``; written a little later."""
        if isinstance(event, NodePreview):
            with self._condition:
                self._preview = event
                self._condition.notify_all()
            return
        entry = new_event_of(event)
        if entry is None:
            return
        with self._condition:
            self._progress(event)
            is_progress = entry.kind == "node_progress"
            if is_progress and self.unwritten and _same_node(self.unwritten[-1], entry):
                self.unwritten[-1] = entry
                return
            if not is_progress:
                self._wait_for_room()
            self.unwritten.append(entry)
            due = time.monotonic() + (_PROGRESS_S if is_progress else _SOON_S)
            if self._due is None or due < self._due:
                self._due = due
                self._condition.notify_all()

    def _wait_for_room(self) -> None:
        """Until some of what is unwritten is written, or the run is to stop: it hears of that at its next step."""
        while len(self.unwritten) >= _MAX_UNWRITTEN and not (self._closed or self.cancel.cancelled):
            self._condition.wait(_CANCEL_CHECK_S)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._closed and (wait_s := self._wait_s()) != 0:
                    self._condition.wait(wait_s)
                if self._closed:
                    return
                batch, progress, preview = self._take()
                self._writing = True
            try:
                if batch:
                    self._write(batch, progress)
                if preview is not None:
                    self._put(preview)
            finally:
                with self._condition:
                    self._writing = False
                    self._condition.notify_all()

    def _wait_s(self) -> float | None:
        """How long until something is due; ``None`` where nothing is unwritten."""
        times = [] if self._due is None else [self._due]
        if self._preview is not None:
            times.append(self._preview_due)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _take(self) -> tuple[list[NewEvent], dict[str, Any], NodePreview | None]:
        now = time.monotonic()
        batch: list[NewEvent] = []
        preview = None
        if self._due is not None and self._due <= now:
            batch, self.unwritten, self._due = self.unwritten, [], None
            self._condition.notify_all()
        if self._preview is not None and self._preview_due <= now:
            preview, self._preview, self._preview_due = self._preview, None, now + _PREVIEW_EVERY_S
        return batch, self._progress.snapshot() if batch else {}, preview

    def _write(self, batch: list[NewEvent], progress: dict[str, Any]) -> None:
        try:
            taken = self._sink.record(batch, progress)
        except Exception as error:  # noqa: BLE001 - what happened is kept, whatever the sink does
            self._tell_broken(error)
            taken = False
        if not taken:
            with self._condition:
                self.unwritten[:0] = batch
                self._due = time.monotonic() + _RETRY_S

    def _put(self, preview: NodePreview) -> None:
        try:
            self._sink.preview(preview.node_id, "image/jpeg", jpeg(preview.picture))
        except Exception as error:  # noqa: BLE001 - there will be another one
            _log.warning("a preview was left out: %s", error)

    def _tell_broken(self, error: Exception) -> None:
        if not self._told_broken:
            _log.error("events could not be passed on; they are offered again", exc_info=error)
        self._told_broken = True


def _start_thread(run: Callable[[], None]) -> None:
    start_thread("recorder", run)


def jpeg(picture: torch.Tensor) -> bytes:
    """A preview, uint8[height, width, 3], as a JPEG file of at most 512 pixels a side."""
    from PIL import Image

    image = Image.fromarray(picture.numpy())
    image.thumbnail((_PREVIEW_SIDE_PX, _PREVIEW_SIDE_PX))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_PREVIEW_QUALITY)
    return file.getvalue()


def _same_node(one: NewEvent, other: NewEvent) -> bool:
    return one.kind == other.kind and one.data["node_id"] == other.data["node_id"]
