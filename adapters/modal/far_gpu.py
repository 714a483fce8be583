"""The GPU containers as the API's relay sees them: a job's files are there before it, its outputs before its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from adapters.direct.messages import Completed
from adapters.modal.commits import Commits
from adapters.modal.container import Taken
from adapters.modal.shared_blobs import SharedBlobs
from adapters.relay.far import Alive, FarMessage
from engine.context import CancelToken

_CHECK_S = 0.1
_log = logging.getLogger(__name__)


class FarGpu:
    """A relay's ``Run``. ``send``: the remote generator. ``cancel_call``: cancels a call by Modal's id."""

    def __init__(
        self,
        send: Callable[[Mapping[str, Any]], Iterator[FarMessage | Taken]],
        cancel_call: Callable[[str], None],
        blobs: SharedBlobs,
        commits: Commits,
    ) -> None:
        self._send, self._cancel_call, self._blobs, self._commits = send, cancel_call, blobs, commits

    def __call__(self, document: Mapping[str, Any], cancel: CancelToken) -> Iterator[FarMessage]:
        """Run the job in a GPU container."""
        with self._commits.work():
            if document["files"]:
                self._commits.now()
            else:
                self._commits.soon()  # so that the queue's copy has the job
            with self._cancelling(cancel) as calls:
                for message in self._send(document):
                    if isinstance(message, Taken):
                        calls.append(message.call_id)
                        yield Alive()
                        continue
                    if isinstance(message, Completed):
                        self._blobs.see([output.digest for output in message.outputs if output.digest is not None])
                    yield message

    @contextmanager
    def _cancelling(self, cancel: CancelToken) -> Iterator[list[str]]:
        """Cancel the calls that are put into the list once ``cancel`` is set."""
        calls: list[str] = []
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_CHECK_S):
                if cancel.cancelled and calls:
                    self._cancel(calls.pop())

        threading.Thread(target=watch, name="modal cancellation", daemon=True).start()
        try:
            yield calls
        finally:
            over.set()

    def _cancel(self, call_id: str) -> None:
        try:
            self._cancel_call(call_id)
        except Exception as error:  # noqa: BLE001 - the relay leaves a call that does not stop to itself
            _log.warning("call %s could not be cancelled: %s", call_id, error)
