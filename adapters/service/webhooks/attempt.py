"""One attempt at a message: posts it, and says what the answer means."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.host.retry_after import retry_after_s
from adapters.service.outbound.client import FetchLimits, OutboundClient
from adapters.service.outbound.errors import AddressRefused, FetchFailed
from adapters.service.store.records import Delivery
from adapters.service.webhooks.signing import signed_headers
from engine.errors import DagfusionError

MAX_RETRY_AFTER_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``error`` is empty for a message that was taken. ``final``: trying again is of no use.

    ``answered``: whether the receiver gave an HTTP answer at all, be it a bad one. ``retry_after_s``: the pause that it
    asked for.
    """

    error: str = ""
    status: int | None = None
    final: bool = False
    answered: bool = True
    retry_after_s: float = 0.0


async def attempt(client: OutboundClient, delivery: Delivery, limits: FetchLimits) -> Outcome:
    """Send the message once; never raises for what a receiver, an address or a secret does."""
    body = delivery.body.encode()
    try:
        headers = signed_headers(delivery.secret, delivery.id, body)
        reply = await client.post(delivery.url, body, {"content-type": "application/json", **headers}, limits)
    except FetchFailed as error:
        return Outcome(error=str(error), answered=False)
    except AddressRefused as error:
        return Outcome(error=str(error), final=True)
    except DagfusionError as error:  # a secret that cannot sign
        return Outcome(error=str(error), final=True)
    if 200 <= reply.status < 300:
        return Outcome(status=reply.status)
    return Outcome(
        error=_complaint(reply.status, reply.excerpt),
        status=reply.status,
        final=reply.status == 410,
        retry_after_s=retry_after_s(reply.headers, MAX_RETRY_AFTER_S) or 0.0,
    )


def _complaint(status: int, excerpt: bytes) -> str:
    if status == 410:
        return "the receiver answers 410: it wants no more messages"
    if 300 <= status < 400:
        return f"the receiver answers {status}: redirects are not followed (give the final address)"
    said = " ".join(excerpt.decode("utf-8", "replace").split())
    return f"the receiver answers {status}" + (f": {said[:200]}" if said.isprintable() and said else "")
