"""From a checked workflow to a job in the queue."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from anyio.to_thread import run_sync

from adapters.doors.http.auth import Caller
from adapters.doors.http.native.submission import RunOptions, WebhookRequest
from adapters.doors.http.services import Services
from adapters.service.errors import RequestInvalid
from adapters.service.outbound.errors import FetchFailed
from adapters.service.outbound.urls import parse_url
from adapters.service.prepare.preparing import Prepared
from adapters.service.store.records import Job, NewJob, Webhook
from adapters.service.webhooks.signing import check_secret, new_secret
from engine.errors import GraphInvalid


async def submit(
    request: RunOptions, prepared: Prepared, now: Services, caller: Caller, more: Mapping[str, Any] | None = None
) -> tuple[Job, bool]:
    """Put the job into the queue: the job, and whether it is new rather than known by its idempotency key.

    ``more``: what else its options are to say.

    Raises ``GraphInvalid``, ``RequestInvalid``, ``AddressRefused``, ``QueueFull``, ``OwnQueueFull``,
    ``IdempotencyConflict``.
    """
    if prepared.checked.problems:
        raise GraphInvalid(prepared.checked.problems)
    await run_sync(now.folder_faults.refuse)
    limit_s = _within("time_limit_s", request.time_limit_s, now.settings.time_limit_s)
    attempts = _within("max_attempts", request.max_attempts, now.settings.max_attempts)
    new = NewJob(
        prompt=prepared.prompt,
        needs=await run_sync(prepared.needs, now.registry, now.folders),
        extra_pnginfo=prepared.workflow.extra_pnginfo,
        targets=prepared.targets,
        owner=caller.owner,
        space=caller.space,
        priority=_priority(request, caller.max_priority(now.settings)),
        max_attempts=int(attempts),
        time_limit_s=limit_s,
        idempotency_key=request.idempotency_key,
        files=prepared.files,
        webhook=None if request.webhook is None else await _webhook(request.webhook, now, caller),
        own_secret=request.webhook is not None and request.webhook.secret is not None,
        options={
            "previews": request.previews,
            "output": request.output.model_dump(mode="json"),
            "notes": list(prepared.notes),
            **(more or {}),
        },
    )
    own_limit = caller.max_queued(now.settings)
    return await run_sync(now.store.jobs.submit, new, now.settings.queue_limit, own_limit)


def _priority(request: RunOptions, most: int) -> int:
    """As asked for; where nothing was, the usual one, if the key may use that. Raises ``RequestInvalid``."""
    if "priority" not in request.model_fields_set:
        return min(request.priority, most)
    return int(_within("priority", request.priority, most))


def _within(name: str, wanted: float | None, limit: float) -> float:
    if wanted is not None and wanted > limit:
        message = f"{name}: {wanted:g} is more than this service allows you"
        raise RequestInvalid(message, remedy=f"at most {limit:g}", fields=((name, message),))
    return limit if wanted is None else wanted


async def _webhook(request: WebhookRequest, now: Services, caller: Caller) -> Webhook:
    """Refuses now what could never be delivered; a host that is not found may be there later."""
    url = parse_url(request.url)
    with suppress(FetchFailed):
        await now.addresses.addresses(url)
    secret = request.secret or new_secret()
    check_secret(secret)
    return Webhook(request.url, secret, tuple(dict.fromkeys(request.events)), caller.address)
