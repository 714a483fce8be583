"""Who is asking and what they may do: API keys with scopes, not needed where the service listens on loopback only."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal

from anyio.to_thread import run_sync
from starlette.requests import HTTPConnection

from adapters.doors.http.revocation import opened_by
from adapters.doors.http.services import Services, services
from adapters.host.settings import Settings
from adapters.service.errors import KeyMissing, ScopeMissing
from adapters.service.store.records import HIGHEST_PRIORITY, UNLIMITED, ApiKey, KeyLimits

Scope = Literal["submit", "read", "admin"]


@dataclass(frozen=True, slots=True)
class Caller:
    """``owner``: whose jobs it submits and sees; admins see all. Without keys everybody is the same admin ``""``.

    ``address``: this service's URL as the caller used it, without a slash at the end.
    """

    owner: str
    scopes: frozenset[str]
    rate_limit: str | None = None
    limits: KeyLimits = UNLIMITED
    address: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether other owners' jobs are theirs to see and to cancel."""
        return "admin" in self.scopes

    @property
    def space(self) -> str:
        """The folders that are the caller's own, by name; empty for admins, whose are all."""
        return "" if self.is_admin else self.owner

    @property
    def only_owner(self) -> str | None:
        """The one whose jobs the caller sees; ``None`` where that is everybody."""
        return None if self.is_admin else self.owner

    def max_priority(self, settings: Settings) -> int:
        """The highest priority that the caller's jobs may have."""
        if self.limits.max_priority is not None:
            return self.limits.max_priority
        return HIGHEST_PRIORITY if self.is_admin else settings.max_priority

    def max_queued(self, settings: Settings) -> int | None:
        """How many of the caller's jobs may wait; ``None``: as many as the queue takes."""
        if self.limits.max_queued is not None:
            return self.limits.max_queued
        return None if self.is_admin else settings.key_queue_limit or max(1, settings.queue_limit // 4)

    def may(self, scope: Scope) -> bool:
        """Whether the key has the scope; admins have all of them."""
        return self.is_admin or scope in self.scopes

    def sees(self, owner: str) -> bool:
        """Whether jobs of ``owner`` are for this caller."""
        return self.is_admin or owner == self.owner


EVERYBODY = Caller("", frozenset({"admin"}))
_OPERATOR = Caller("operator", frozenset({"admin"}))


def require(scope: Scope) -> Callable[[HTTPConnection], Awaitable[Caller]]:
    """A dependency: the caller, whose request is counted. Raises ``KeyMissing``, ``ScopeMissing``, ``RateLimited``."""

    async def caller(connection: HTTPConnection) -> Caller:
        now = services(connection)
        found = await identify(now, connection)
        who = found.owner or (connection.client.host if connection.client else "")
        connection.state.reply_headers = now.rates.count(who, found.rate_limit)
        if not found.may(scope):
            raise ScopeMissing(f"this API key lacks the scope '{scope}'", remedy="use a key that has it")
        return replace(found, address=str(connection.base_url).rstrip("/"))

    return caller


async def identify(now: Services, connection: HTTPConnection) -> Caller:
    """The caller by the key that the request shows; everybody where none is needed. Raises ``KeyMissing``."""
    key = key_of(connection)
    if key is None:
        if keys_required(now.settings):
            raise KeyMissing("an API key is needed", remedy="send it as 'Authorization: Bearer KEY' or as X-API-Key")
        return EVERYBODY
    if any(hmac.compare_digest(key.encode(), known.encode()) for known in _configured(now.settings)):
        return _OPERATOR
    found: ApiKey | None = await run_sync(now.store.keys.find, key)
    if found is None:
        raise KeyMissing("the API key is unknown or was revoked", remedy="ask the operator of this service for one")
    opened_by(connection, found.id)
    return Caller(found.id, frozenset(found.scopes), found.rate_limit, found.limits)


def key_of(connection: HTTPConnection) -> str | None:
    """The key that the request shows: in a header, or (browsers' WebSockets can set none) in the query."""
    scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    query = connection.query_params
    return connection.headers.get("x-api-key") or query.get("api_key") or query.get("token") or None


def keys_required(settings: Settings) -> bool:
    """Whether requests without a key are refused: unless only this machine can ask and no keys were configured."""
    return bool(_configured(settings)) or not is_loopback(settings.host)


def is_loopback(host: str) -> bool:
    """Whether a host that one listens on, or that a URL names, is this machine alone."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _configured(settings: Settings) -> list[str]:
    return [key for key in (part.strip() for part in settings.api_keys.get_secret_value().split(",")) if key]
