"""The GPU containers as the API's relay sees them: a job's files are there before it, its outputs before its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from adapters.doors.modal.commits import Commits
from adapters.doors.modal.container import Taken
from adapters.doors.modal.shared_blobs import SharedBlobs
from adapters.run.direct.messages import Completed
from adapters.run.relay.far import Alive, FarMessage
from adapters.run.relay.watching import once
from engine.context import CancelToken


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
            calls: list[str] = []
            with once(lambda: cancel.cancelled and calls, lambda: self._cancel_call(calls[0])):
                for message in self._send(document):
                    if isinstance(message, Taken):
                        calls.append(message.call_id)
                        yield Alive()
                        continue
                    if isinstance(message, Completed):
                        self._blobs.see([output.digest for output in message.outputs if output.digest is not None])
                    yield message
