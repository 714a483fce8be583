"""What one connected client has still to be sent, in order; of unfinished pictures only the newest."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.doors.http.comfy.messages import Message

# A client that is this far behind does not read: it is dropped, since messages must not be left out.
MAX_WAITING, MAX_WAITING_BYTES = 10_000, 8 * 2**20
_METADATA_FLAG = "supports_preview_metadata"


@dataclass(frozen=True, slots=True)
class PreviewFrame:
    """A finished picture of a job. Its bytes are read only when it is sent. ``places``: where to read them."""

    file: Mapping[str, Any]
    digest: str | None
    places: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PreviewPicture:
    """An unfinished picture, encoded."""

    picture: bytes
    media_type: str
    places: Mapping[str, Any]


@dataclass(slots=True)
class _States:
    """How far a job's nodes are, as ``make`` says when it is sent, unless it is ``outdated`` by then."""

    prompt_id: str
    make: Callable[[], Message]
    outdated: bool = False


class OutboxFull(Exception):
    """The client does not read what it is sent."""


@dataclass
class SendQueue:
    """``flags``: the features that the client has announced. ``arrival`` counts up from client to client.

    ``owner``: whose jobs the client sees; ``None``: everybody's.
    """

    sid: str
    owner: str | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)
    arrival: int = field(default_factory=itertools.count().__next__)
    _waiting: deque[Message | PreviewFrame | _States] = field(default_factory=deque)
    _bytes: int = 0
    _full: bool = False
    _states: dict[str, _States] = field(default_factory=dict)
    _preview: PreviewPicture | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def takes_metadata(self) -> bool:
        """Whether pictures may say where they come from (binary type 4 instead of 1)."""
        return self.flags.get(_METADATA_FLAG) is True

    def put(self, entry: Message | PreviewFrame) -> None:
        """Send this after all that waits."""
        if isinstance(entry, Message) and entry.type == "executing":
            self._preview = None  # Of a node that does not run any more.
        self._append(entry)

    def put_status(self, remaining: int, *, first: bool = False) -> None:
        """How many jobs remain; a number that nobody has read yet is replaced."""
        data: dict[str, Any] = {"status": {"exec_info": {"queue_remaining": remaining}}}
        if first:
            data["sid"] = self.sid
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, Message) and last.type == "status" and "sid" not in last.data:
            self._bytes -= _size(self._waiting.pop())
        self.put(Message("status", data))

    def put_states(self, prompt_id: str, make: Callable[[], Message]) -> None:
        """How far the nodes of this prompt are: one message, however often that changes until it is read.

        Of a graph of hundreds of nodes that finish at once, each message would list them all.
        """
        known = self._states.get(prompt_id)
        if known is not None:
            known.outdated = True
        entry = self._states[prompt_id] = _States(prompt_id, make)
        self._append(entry)

    def show(self, picture: bytes, media_type: str, places: Mapping[str, Any], *, to_all: bool) -> None:
        """Send this unfinished picture when nothing else waits; clients that have not announced that they want it
        get it only where it is ``to_all``.
        """
        if to_all or self.takes_metadata:
            self._preview = PreviewPicture(picture, media_type, places)
            self._news.set()

    async def next(self) -> Message | PreviewFrame | PreviewPicture:
        """Wait for what is to be sent next. Raises ``OutboxFull``."""
        while True:
            if self._full:
                raise OutboxFull
            while self._waiting:
                entry = self._waiting.popleft()
                self._bytes -= _size(entry)
                if not isinstance(entry, _States):
                    return entry
                if not entry.outdated:
                    del self._states[entry.prompt_id]
                    return entry.make()
            if self._preview is not None:
                preview, self._preview = self._preview, None
                return preview
            self._news.clear()
            await self._news.wait()

    def _append(self, entry: Message | PreviewFrame | _States) -> None:
        """Nothing is kept for a client that is too far behind: it will hear no more than that."""
        if not self._full:
            self._waiting.append(entry)
            self._bytes += _size(entry)
            self._full = len(self._waiting) > MAX_WAITING or self._bytes > MAX_WAITING_BYTES
        if self._full:
            self._waiting.clear()
            self._states.clear()
        self._news.set()


def _size(entry: Message | PreviewFrame | _States) -> int:
    """Bytes of its texts, about: what else it has is small."""
    return _texts(entry.data) if isinstance(entry, Message) else 0


def _texts(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(str(key)) + _texts(item) for key, item in value.items())
    return sum(map(_texts, value)) if isinstance(value, list | tuple) else 8
