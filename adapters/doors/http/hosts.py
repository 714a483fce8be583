"""Keeps other sites' pages away: checks the name a loopback service is called by, and the page a request comes from."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.doors.http.auth import is_loopback, keys_required
from adapters.doors.http.problems import problem_response
from adapters.host.settings import Settings
from adapters.service.errors import HostRefused

_READS = ("GET", "HEAD")
_USUAL_PORTS = (80, 443)  # which browsers leave out
_LINK = re.compile(r"/v1/jobs/[^/]+/outputs/[^/]+")


class HostGuard:
    """ASGI middleware. A loopback service does not answer to foreign names that point to 127.0.0.1 (DNS rebinding). Nor
    may a page of another site or port use it unless the settings list its origin: browsers name that in ``Origin``, or
    say in ``Sec-Fetch-Site`` that it is another one.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._loopback = is_loopback(settings.host)
        self._keyless = not keys_required(settings)
        self._names = {name for url in (settings.public_url, *settings.cors_origins) if (name := _host(url))}
        self._origins = {_origin(url) for url in (settings.public_url, *settings.cors_origins)} - {""}
        self._any_origin = "*" in settings.cors_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = self._refusal(scope, Headers(scope=scope)) if scope["type"] in ("http", "websocket") else None
        if error is None:
            await self._app(scope, receive, send)
        else:
            await problem_response(error)(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> HostRefused | None:
        host = _host(f"//{headers.get('host', '')}")
        if self._loopback and not (is_loopback(host) or host in self._names):
            return HostRefused(
                f"this service does not go by the name '{host[:100]}'",
                remedy="use localhost, or tell it its name with DAGFUSION_PUBLIC_URL",
            )
        if self._any_origin or self._own_page(scope, headers):
            return None
        page = headers.get("origin") or headers.get("referer") or "another site"
        return HostRefused(
            f"pages of '{page[:100]}' may not use this service", remedy="list it in DAGFUSION_CORS_ORIGINS"
        )

    def _own_page(self, scope: Scope, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            return self._may(origin, scope, headers)
        foreign = ("cross-site", "same-site") if self._keyless else ("cross-site",)  # another port is the same site
        if headers.get("sec-fetch-site", "").lower() not in foreign or _is_followed(scope, headers):
            return True
        return self._may(headers.get("referer", ""), scope, headers)

    def _may(self, page: str, scope: Scope, headers: Headers) -> bool:
        return _origin(page) in self._origins or _same_origin(page, headers.get("host", ""), scope)


def _is_followed(scope: Scope, headers: Headers) -> bool:
    """A link that somebody follows shows itself and nothing to the page it was on; so does a signed one in a page."""
    if scope.get("method") not in _READS:
        return False
    signed = b"signature=" in scope.get("query_string", b"") and _LINK.fullmatch(scope["path"]) is not None
    to_a_page = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") in (None, "document")
    return signed or to_a_page


def _same_origin(page: str, host: str, scope: Scope) -> bool:
    """Whether the page came from this very service: from its port, by one of its names."""
    try:
        told, asked = urlsplit(page), urlsplit(f"//{host}")
        ports = told.port or _default_port(told.scheme), asked.port
    except ValueError:
        return False
    names = told.hostname or "", asked.hostname or ""
    if not names[0] or not (names[0] == names[1] or all(map(is_loopback, names))):
        return False
    if ports[1] is not None:
        return ports[0] == ports[1]
    # A browser leaves out a usual port alone; at any other, somebody in between left it out.
    listening = (scope.get("server") or (None, None))[1]
    return ports[0] in _USUAL_PORTS or listening not in _USUAL_PORTS


def _default_port(scheme: str) -> int:
    return 443 if scheme in ("https", "wss") else 80


def _origin(url: str) -> str:
    """``scheme://host:port`` in lower case; empty where the URL has none."""
    try:
        parts = urlsplit(url)
        if not parts.hostname:
            return ""
        return f"{parts.scheme}://{parts.hostname.rstrip('.')}:{parts.port or _default_port(parts.scheme)}"
    except ValueError:
        return ""


def _host(url: str) -> str:
    """The host name in lower case; empty where there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
