"""A bounded queue of messages from the thread that runs a job to the one that reads them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.run.direct.messages import End, Happened, Message, Previewed
from adapters.service.store.records import NewEvent
from engine.context import CancelToken

_MAX_UNREAD = 16
_CHECK_S = 0.05


class Channel:
    """A recorder's sink. A slow reader holds up the recorder, which merges progress meanwhile, but never the run.

    After the run was cancelled there may be no reader any more: from then on nothing waits, and only the end is kept.
    """

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel
        self._condition = threading.Condition()
        self._unread: deque[Message] = deque()
        self._ended = False

    def record(self, batch: Sequence[NewEvent], progress: Mapping[str, Any]) -> bool:
        """Pass on what happened; false where it has to be told with the end."""
        return self._put(Happened(tuple(batch), progress))

    def preview(self, node_id: str, media_type: str, picture: bytes) -> None:
        """Pass on a picture."""
        self._put(Previewed(node_id, media_type, picture))

    def end(self, message: End) -> None:
        """The last message; a second one comes too late."""
        with self._condition:
            if not self._ended:
                self._unread.append(message)
            self._ended = True
            self._condition.notify_all()

    def __iter__(self) -> Iterator[Message]:
        """The messages, up to the end."""
        while True:
            with self._condition:
                self._condition.wait_for(lambda: bool(self._unread))
                message = self._unread.popleft()
                self._condition.notify_all()
            yield message
            if isinstance(message, End):
                return

    def _put(self, message: Message) -> bool:
        with self._condition:
            while len(self._unread) >= _MAX_UNREAD and not self._ended and not self._cancel.cancelled:
                self._condition.wait(_CHECK_S)
            if self._ended or len(self._unread) >= _MAX_UNREAD:
                return False
            self._unread.append(message)
            self._condition.notify_all()
            return True
