"""API keys: made, listed, revoked. For admins."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from adapters.doors.http.bodies import StrictRoute
from adapters.doors.http.native.access import Admin
from adapters.doors.http.native.moments import moment, moment_or_none
from adapters.doors.http.openapi import problems
from adapters.doors.http.rates import parse_rate
from adapters.doors.http.services import ServicesNow
from adapters.service.errors import NotFound
from adapters.service.store.records import HIGHEST_PRIORITY, ApiKey, KeyLimits

router = APIRouter(prefix="/keys", tags=["keys"], route_class=StrictRoute)
Scope = Literal["submit", "read", "admin"]
Priority = Annotated[int, Field(ge=-HIGHEST_PRIORITY, le=HIGHEST_PRIORITY)]
Quota = Annotated[int, Field(ge=1, le=1_000_000)]


class KeyRequest(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["the web shop"])
    scopes: list[Scope] = Field(default=["submit", "read"], min_length=1)
    rate_limit: str | None = Field(default=None, max_length=60, examples=["60/minute"])
    max_priority: Priority | None = Field(default=None, description="The highest that its jobs may have.")
    max_queued: Quota | None = Field(default=None, description="How many of its jobs may wait.")
    max_running: Quota | None = Field(default=None, description="How many of its jobs may run at a time.")


class KeyDocument(BaseModel):
    """A key without its secret text, of which only a hash is kept."""

    id: str
    name: str
    scopes: list[str]
    rate_limit: str | None = None
    max_priority: int | None = None
    max_queued: int | None = None
    max_running: int | None = None
    created_at: datetime
    revoked_at: datetime | None = None


class NewKey(KeyDocument):
    """A key that was just made."""

    key: str = Field(description="The secret text. It cannot be shown again.", examples=["dgf_Zk3..."])


class KeyList(BaseModel):
    """All keys, oldest first."""

    keys: list[KeyDocument]


@router.post("", operation_id="create_key", summary="Make a key", status_code=201)
def create_key(body: KeyRequest, now: ServicesNow, _caller: Admin) -> NewKey:
    """Make a key; its text is in this reply and nowhere else. Its owner sees the jobs that were submitted with it."""
    if body.rate_limit:
        parse_rate(body.rate_limit)
    limits = KeyLimits(body.max_priority, body.max_queued, body.max_running)
    scopes = list(dict.fromkeys(body.scopes))
    made, secret = now.store.keys.create(body.name, scopes, rate_limit=body.rate_limit, limits=limits)
    return NewKey(**_document(made).model_dump(), key=secret)


@router.get("", operation_id="list_keys", summary="All keys")
def list_keys(now: ServicesNow, _caller: Admin) -> KeyList:
    """Every key, the revoked ones too."""
    return KeyList(keys=[_document(key) for key in now.store.keys.all()])


@router.delete("/{key_id}", operation_id="revoke_key", summary="Revoke a key", status_code=204, responses=problems(404))
def revoke_key(
    key_id: Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")], now: ServicesNow, _caller: Admin
) -> None:
    """Take the key back, from the next request on."""
    if not now.store.keys.revoke(key_id):
        raise NotFound("there is no such key, or it was revoked before", remedy="take the ids from GET /v1/keys")


def _document(key: ApiKey) -> KeyDocument:
    return KeyDocument(
        id=key.id,
        name=key.name,
        scopes=list(key.scopes),
        rate_limit=key.rate_limit,
        **asdict(key.limits),
        created_at=moment(key.created_at),
        revoked_at=moment_or_none(key.revoked_at),
    )
