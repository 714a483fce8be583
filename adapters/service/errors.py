"""What a door refuses of a request, before there is a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import DagfusionError


class RequestRefused(DagfusionError):
    """The request is not one that this service takes."""


class RequestInvalid(RequestRefused):
    """A request whose form is wrong. ``fields``: what is wrong where, as (place, message)."""

    def __init__(self, message: str, *, remedy: str = "", fields: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.fields = fields


class KeyMissing(RequestRefused):
    """The request needs an API key and has none, or one that is unknown or revoked."""


class ScopeMissing(RequestRefused):
    """The API key is good, but not for this."""


class HostRefused(RequestRefused):
    """A request that reached a loopback service under a foreign name, or from another site's page."""


class NotFound(RequestRefused):
    """There is no such thing, or it is not the caller's."""


class FileExists(RequestRefused):
    """A file of that name exists, and may not be replaced."""


class PromptRefused(RequestRefused):
    """Nothing of what was sent to ``/prompt`` can run. ``kind`` and ``node_errors`` are as ComfyUI has them."""

    def __init__(
        self,
        kind: str,
        message: str,
        remedy: str = "",
        *,
        extra_info: Mapping[str, Any] | None = None,
        node_errors: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.kind = kind
        self.extra_info = dict(extra_info or {})
        self.node_errors = dict(node_errors or {})


class NotEnded(RequestRefused):
    """The job has not ended yet, so it has no outputs."""


class BodyTooLarge(RequestRefused):
    """The request's body has more bytes than are taken."""


class BodyTooSlow(RequestRefused):
    """The request's body stopped coming."""


class MediaTypeRefused(RequestRefused):
    """A body, or an output format, of a kind that is not taken here."""


class RateLimited(RequestRefused):
    """The key has used up its requests for now. ``retry_after_s``: when to ask again; ``headers`` say more."""

    def __init__(
        self, message: str, *, remedy: str = "", retry_after_s: int = 1, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s
        self.headers = dict(headers or {})


class FolderUnavailable(RequestRefused):
    """A folder of the service is gone or cannot be written to: what is taken now could not be kept."""

    retry_after_s = 30


class TooManySockets(RequestRefused):
    """As many connections are open as are allowed to be."""


class ServiceBusy(RequestRefused):
    """Too much is under way right now."""

    retry_after_s = 5
