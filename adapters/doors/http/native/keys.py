"""API keys: made, listed, revoked. For admins."""

from __future__ import annotations

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
from adapters.service.store.records import ApiKey

router = APIRouter(prefix="/keys", tags=["keys"], route_class=StrictRoute)
Scope = Literal["submit", "read", "admin"]


class KeyRequest(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["the web shop"])
    scopes: list[Scope] = Field(default=["submit", "read"], min_length=1)
    rate_limit: str | None = Field(default=None, max_length=60, examples=["60/minute"])


class KeyDocument(BaseModel):
    """A key without its secret text, of which only a hash is kept."""

    id: str
    name: str
    scopes: list[str]
    rate_limit: str | None = None
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
    made, secret = now.store.keys.create(body.name, list(dict.fromkeys(body.scopes)), rate_limit=body.rate_limit)
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
        created_at=moment(key.created_at),
        revoked_at=moment_or_none(key.revoked_at),
    )
