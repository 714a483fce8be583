"""Webhook messages: what became of them, and sending them again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from adapters.doors.http.auth import Caller
from adapters.doors.http.native.access import Reader, Submitter, visible_job
from adapters.doors.http.native.moments import moment, moment_or_none
from adapters.doors.http.openapi import problems
from adapters.doors.http.services import Services, ServicesNow
from adapters.service.errors import NotFound
from adapters.service.store.records import Delivery

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
MessageId = Annotated[str, Path(description="The message's id.", max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class DeliveryDocument(BaseModel):
    """A webhook message. `dead` messages were given up; they can be sent again."""

    id: str = Field(examples=["msg_2f6d0b7c9a1e4d38"])
    job_id: str
    event: str = Field(examples=["completed"])
    url: str
    state: str = Field(examples=["pending", "delivered", "dead"])
    attempts: int
    created_at: datetime
    next_at: datetime | None = Field(default=None, description="When it is sent next, while it is pending.")
    last_status: int | None = Field(default=None, description="The receiver's last HTTP status.")
    last_error: str | None = None


class DeliveryList(BaseModel):
    """Messages, newest first."""

    webhooks: list[DeliveryDocument]


@router.get("", operation_id="list_webhooks", summary="A job's webhook messages", responses=problems(404))
def list_webhooks(
    now: ServicesNow,
    caller: Reader,
    job_id: Annotated[str, Query(max_length=64, pattern=r"^[^\x00-\x1f\x7f/]+$")],
    state: Annotated[Literal["pending", "delivered", "dead"] | None, Query(description="Only in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> DeliveryList:
    """What was, or is to be, told of the job."""
    visible_job(now, job_id, caller)
    return DeliveryList(webhooks=[_document(one) for one in now.store.outbox.find(job_id, state, limit)])


@router.post(
    "/{message_id}/redeliver",
    operation_id="redeliver_webhook",
    summary="Send a webhook message again",
    status_code=202,
    responses=problems(404),
)
def redeliver_webhook(message_id: MessageId, now: ServicesNow, caller: Submitter) -> DeliveryDocument:
    """Make the message due now, with a fresh count of attempts. Its id stays, so that receivers can drop repeats."""
    _visible(now.store.outbox.get(message_id), now, caller)
    return _document(_visible(now.store.outbox.redeliver(message_id), now, caller))


def _visible(delivery: Delivery | None, now: Services, caller: Caller) -> Delivery:
    owner = None if delivery is None else now.store.jobs.owner_of(delivery.job_id)
    if delivery is None or owner is None or not caller.sees(owner):
        raise NotFound("there is no such webhook message", remedy="take the ids from GET /v1/webhooks")
    return delivery


def _document(delivery: Delivery) -> DeliveryDocument:
    return DeliveryDocument(
        id=delivery.id,
        job_id=delivery.job_id,
        event=delivery.event,
        url=delivery.url,
        state=delivery.state,
        attempts=delivery.attempts,
        created_at=moment(delivery.created_at),
        next_at=moment_or_none(delivery.next_at if delivery.state == "pending" else None),
        last_status=delivery.last_status,
        last_error=delivery.last_error,
    )
