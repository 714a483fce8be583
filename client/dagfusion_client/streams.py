"""How far the stream of a job's events has come: which of them are new, and when to connect again."""

from __future__ import annotations

import json
import struct
import time
from dataclasses import dataclass, field

from websockets.exceptions import InvalidStatus

from dagfusion_client.errors import Refused, Unreachable
from dagfusion_client.models import EventDocument
from dagfusion_client.requests import ENDED, pause_s, socket_url


@dataclass(frozen=True)
class Preview:
    """An unfinished picture: the bytes of a file of type ``media_type``."""

    job_id: str
    node_id: str
    media_type: str
    version: int
    picture: bytes = field(repr=False)


@dataclass
class Cursor:
    """How far a stream has come, and how long it has been without a connection."""

    base: str
    job_id: str
    after: int
    api_key: str | None
    previews: bool
    give_up_s: float
    failures: int = 0
    lost_at: float | None = None
    last_kind: str = ""

    def over(self) -> bool:
        """Whether the job's last event came."""
        return self.last_kind in ENDED

    @property
    def url(self) -> str:
        """Where to go on."""
        return socket_url(self.base, self.job_id, self.after, self.previews)

    def take(self, message: str | bytes) -> EventDocument | Preview | None:
        """What a message says; ``None`` for an event that came before."""
        self.failures, self.lost_at = 0, None
        if isinstance(message, bytes):
            return _preview(message)
        event = EventDocument.model_validate_json(message)
        if event.number <= self.after:
            return None
        self.after = event.number
        self.last_kind = event.kind
        return event

    def lost(self, error: BaseException) -> float:
        """The connection is gone: how long to wait before the next one. Raises ``Refused``, ``Unreachable``."""
        if isinstance(error, InvalidStatus) and error.response.status_code < 500 and error.response.status_code != 429:
            raise Refused(error.response.status_code, None, (error.response.body or b"").decode(errors="replace"))
        self.lost_at = self.lost_at or time.monotonic()
        self.failures += 1
        if time.monotonic() - self.lost_at > self.give_up_s:
            raise Unreachable(f"{self.base} has not answered for {self.give_up_s:g} s") from error
        return 0.0 if self.failures == 1 else pause_s(self.failures - 2)


def _preview(message: bytes) -> Preview:
    (length,) = struct.unpack_from(">I", message)
    about = json.loads(message[4 : 4 + length])
    return Preview(about["job_id"], about["node_id"], about["media_type"], about["version"], message[4 + length :])
