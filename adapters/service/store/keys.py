"""API keys: made once, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import insert, select, update

from adapters.service.store.database import Database
from adapters.service.store.records import UNLIMITED, ApiKey, KeyLimits
from adapters.service.store.tables import api_keys

SCOPES = ("submit", "read", "admin")


def hash_key(key: str) -> str:
    """SHA-256: keys are long and random, so a slow password hash would protect nothing more."""
    return hashlib.sha256(key.encode()).hexdigest()


class ApiKeys:
    """Who may use the service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        rate_limit: str | None = None,
        limits: KeyLimits = UNLIMITED,
        key: str | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key with its secret text, which cannot be shown again. ``key``: use this text instead of a random one.

        Raises ``ValueError`` for an unknown scope.
        """
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown:
            raise ValueError(f"unknown scope '{unknown[0]}': there are {', '.join(SCOPES)}")
        secret = key or f"dgf_{secrets.token_urlsafe(32)}"
        with self._database.write() as connection:
            made = ApiKey(
                f"key_{secrets.token_hex(8)}",
                name,
                tuple(scopes),
                rate_limit,
                self._database.now(connection),
                limits=limits,
            )
            connection.execute(
                insert(api_keys).values(
                    id=made.id,
                    name=name,
                    hash=hash_key(secret),
                    scopes=list(scopes),
                    rate_limit=rate_limit,
                    created_at=made.created_at,
                    **asdict(limits),
                )
            )
        return made, secret

    def find(self, key: str) -> ApiKey | None:
        """The key with this secret text, unless it is unknown or revoked."""
        query = select(api_keys).where(api_keys.c.hash == hash_key(key), api_keys.c.revoked_at.is_(None))
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _key(row)

    def all(self) -> list[ApiKey]:
        """Every key, the revoked ones too, oldest first."""
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.created_at))]

    def revoked(self, key_ids: Collection[str]) -> set[str]:
        """Those of the keys that may not be used any more."""
        query = select(api_keys.c.id).where(api_keys.c.id.in_(key_ids), api_keys.c.revoked_at.is_(None))
        with self._database.read() as connection:
            return set(key_ids) - {row.id for row in connection.execute(query)}

    def revoke(self, key_id: str) -> bool:
        """Take the key back; False where there is no such key, or it was revoked before."""
        with self._database.write() as connection:
            found = api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)
            values = {"revoked_at": self._database.now(connection)}
            return bool(connection.execute(update(api_keys).where(*found).values(values)).rowcount)


def _key(row: Any) -> ApiKey:
    limits = KeyLimits(row.max_priority, row.max_queued, row.max_running)
    return ApiKey(row.id, row.name, tuple(row.scopes), row.rate_limit, row.created_at, row.revoked_at, limits)
