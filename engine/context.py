"""What a running node may ask of the run it is part of."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.device_scheduler import DeviceScheduler
from engine.encoded import EncodedFile, Series
from engine.errors import Cancelled
from engine.events import EventLog, NodeNote, NodePreview, NodeProgress
from engine.limits import Limits
from engine.types import Hdr, SavedFile

if TYPE_CHECKING:
    import torch

    from engine.folders import Folders
    from engine.model_store import ModelStore

PREVIEW_EVERY_S = 0.1


class CancelToken:
    """Set from any thread; checked by the executor between nodes and by long nodes within."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the run to stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the run was asked to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise ``Cancelled`` if the run was asked to stop."""
        if self._event.is_set():
            raise Cancelled


@dataclass
class Context:
    """Passed to every node function as its first argument; one per node call.

    ``folders`` finds files, ``models`` holds loaded weights, and at ``scheduler`` runs that share the device meet.
    ``limits``: how much the node may make. ``hdr``: how pictures of HDR films are read. The request itself is not here:
    what a node makes may be another request's too. A node that needs it has a hidden input.
    """

    folders: Folders
    models: ModelStore
    node_id: str = ""
    class_type: str = ""
    log: EventLog = field(default_factory=EventLog)
    cancel: CancelToken = field(default_factory=CancelToken)
    scheduler: DeviceScheduler = field(default_factory=DeviceScheduler)
    limits: Limits = field(default_factory=Limits)
    previews: bool = False
    hdr: Hdr = "sdr"
    shown: dict[str, list[Any]] = field(default_factory=dict)
    _previewed_s: float = -math.inf

    def check_cancelled(self) -> None:
        """Raise ``Cancelled`` if the run was cancelled. Long nodes call it at least once a second."""
        self.cancel.check()

    def progress(self, value: int, total: int, preview: Callable[[], torch.Tensor] | None = None) -> None:
        """Report ``value`` of ``total`` done, and check for cancellation.

        ``preview`` makes a picture (uint8[height, width, 3]). It is called only if somebody wants previews, and of
        steps that follow each other quickly for ten a second and the last: each makes a GPU wait for its picture.
        """
        self.check_cancelled()
        self.log.emit(NodeProgress(node_id=self.node_id, value=value, total=total))
        if preview is None or not self.previews:
            return
        now = time.monotonic()
        if value >= total or now - self._previewed_s >= PREVIEW_EVERY_S:
            self._previewed_s = now
            self.log.emit(NodePreview(node_id=self.node_id, picture=preview()))

    def note(self, message: str) -> None:
        """Tell whoever watches the run what was done otherwise than asked, or left out; the run goes on."""
        self.log.emit(NodeNote(node_id=self.node_id, class_type=self.class_type, message=message))

    def files(self, prefix: str, *, width_px: int = 0, height_px: int = 0) -> Series:
        """A series of files for the output folder, named by a ``filename_prefix`` (see ``expand_prefix``)."""
        return Series("output", prefix, width_px, height_px)

    def temp_files(self) -> Series:
        """A series of files for the temp folder."""
        return Series("temp")

    def show(self, kind: str, *items: EncodedFile | SavedFile | str | int | Mapping[str, Any]) -> None:
        """Add to what this output node made, under ``kind`` as clients know it (``images``, ``text``, ``animated``)."""
        self.shown.setdefault(kind, []).extend(items)
