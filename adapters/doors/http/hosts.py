"""Keeps other sites' pages away: under which names a loopback service answers, and from which pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.doors.http.auth import is_loopback
from adapters.doors.http.problems import problem_response
from adapters.host.settings import Settings
from adapters.service.errors import HostRefused


class HostGuard:
    """ASGI middleware. A name that somebody's DNS points to 127.0.0.1 is none of a loopback service's names (DNS
    rebinding), and a page of another site may not use it either, unless the settings list its origin.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._loopback = is_loopback(settings.host)
        self._names = {name for url in (settings.public_url, *settings.cors_origins) if (name := _host(url))}
        self._any_origin = "*" in settings.cors_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = self._refusal(Headers(scope=scope)) if scope["type"] in ("http", "websocket") else None
        if error is None:
            await self._app(scope, receive, send)
        else:
            await problem_response(error)(scope, receive, send)

    def _refusal(self, headers: Headers) -> HostRefused | None:
        host = _host(f"//{headers.get('host', '')}")
        if self._loopback and not (is_loopback(host) or host in self._names):
            return HostRefused(
                f"this service does not go by the name '{host[:100]}'",
                remedy="use localhost, or tell it its name with DAGFUSION_PUBLIC_URL",
            )
        origin = headers.get("origin")
        if origin is None or self._any_origin or _same_site(_host(origin), host) or _host(origin) in self._names:
            return None
        return HostRefused(
            f"pages of '{origin[:100]}' may not use this service", remedy="list it in DAGFUSION_CORS_ORIGINS"
        )


def _same_site(origin: str, host: str) -> bool:
    return bool(origin) and (origin == host or (is_loopback(origin) and is_loopback(host)))


def _host(url: str) -> str:
    """The host name in lower case; empty where there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
