"""The replicas as the API's relay sees them: a job goes to where its model is, and its outputs can be read here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from adapters.host.gpu import GpuMissing
from adapters.run.direct.messages import Completed, FailedEnd
from adapters.run.relay.far import FarMessage
from adapters.run.relay.watching import once
from adapters.service.blobs.errors import BlobMissing
from adapters.service.blobs.store import BlobStore
from adapters.service.error_documents import error_document
from engine.context import CancelToken

_LOOK_S = 0.5
_log = logging.getLogger(__name__)


class Messages(Protocol):
    """A response of Serve's, as far as it is used here."""

    def __iter__(self) -> Iterator[FarMessage]:
        """Blocks between messages; raises what the replica raises, and where it is gone."""
        ...

    def cancel(self) -> None:
        """Have the replica stop. From any thread."""


class FarReplicas:
    """A relay's ``Run``. ``send``: a document and its main model to a replica. ``model_of``: a prompt's main model.

    ``has_gpus``: whether a node of the cluster has as many GPUs as a replica asks for; ``start_s``: how long to wait
    for that.
    """

    def __init__(
        self,
        send: Callable[[Mapping[str, Any], str], Messages],
        model_of: Callable[[Mapping[str, Any]], str],
        blobs: BlobStore,
        *,
        has_gpus: Callable[[], bool],
        start_s: float,
    ) -> None:
        self._send, self._model_of, self._blobs = send, model_of, blobs
        self._has_gpus, self._start_s = has_gpus, start_s

    def __call__(self, document: Mapping[str, Any], cancel: CancelToken) -> Iterator[FarMessage]:
        """Run the job in a replica."""
        if not self._wait_for_gpus(cancel):
            yield FailedEnd(error_document(_no_gpus(self._start_s)))
            return
        messages = self._send(document, self._model_of(document["prompt"]))
        with once(lambda: cancel.cancelled, messages.cancel):
            for message in messages:
                yield self._seen(message) if isinstance(message, Completed) else message

    def _wait_for_gpus(self, cancel: CancelToken) -> bool:
        """A cluster that scales may have to start a node. True also once nobody waits any more."""
        if self._has_gpus():
            return True
        _log.warning("no node of the Ray cluster has the GPUs that a replica asks for; waiting %g s", self._start_s)
        until = time.monotonic() + self._start_s
        while not self._has_gpus():
            if cancel.cancelled:
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(min(_LOOK_S, self._start_s))
        return True

    def _seen(self, end: Completed) -> Completed | FailedEnd:
        """The end, if its files are where this process reads them."""
        for output in end.outputs:
            if output.digest is not None and not self._blobs.exists(output.digest):
                return FailedEnd(error_document(_unseen(output.name)), end.entries)
        return end


def _no_gpus(waited_s: float) -> GpuMissing:
    return GpuMissing(
        f"no node of the Ray cluster has the GPUs that a replica asks for, and none came within {waited_s:g} s",
        remedy="add a node with a GPU (`ray status` shows what there is), or deploy with gpus=0 to compute on CPUs",
    )


def _unseen(name: str) -> BlobMissing:
    return BlobMissing(
        f"the output '{name}' was made on a node whose files cannot be read by the API",
        remedy="set DAGFUSION_BLOBS to a place that all nodes share: s3://bucket/prefix, or a folder on a shared disk",
    )
