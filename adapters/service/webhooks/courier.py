"""The delivery loop: claims what is due from the outbox, sends it, and records what became of it."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from adapters.service.outbound.client import FetchLimits, OutboundClient
from adapters.service.store.errors import AWAY
from adapters.service.store.outage import report_outage
from adapters.service.store.records import Delivery
from adapters.service.webhooks.attempt import Outcome, attempt
from adapters.service.webhooks.receivers import Receiver, Receivers
from adapters.service.webhooks.schedule import RetrySchedule

Result = TypeVar("Result")
_UNREADABLE_S = 5.0  # until a message is tried again whose job could not be read
_log = logging.getLogger(__name__)


class DeliveryQueue(Protocol):
    """Where messages are and what became of them is told, as in ``adapters.service.store.outbox``. Methods block."""

    def claim(self, limit: int, lease_s: float) -> list[Delivery]: ...
    def delivered(self, delivery_id: str, status: int) -> None: ...
    def failed(self, delivery_id: str, error: str, retry_at: float | None, status: int | None = None) -> None: ...
    def postpone(self, delivery_ids: Sequence[str], until: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is under way at a time.

    ``concurrency`` messages in all and ``per_receiver`` to one receiver, for which ``waiting`` more are held ready.
    ``poll_s``: how often the outbox is looked at.
    """

    concurrency: int = 128
    per_receiver: int = 4
    waiting: int = 32
    batch: int = 64
    poll_s: float = 0.25
    limits: FetchLimits = field(default_factory=lambda: FetchLimits(total_s=15.0, quiet_s=10.0, connect_s=5.0))

    @property
    def lease_s(self) -> float:
        """Longer than any message that was claimed is on its way here, waiting included."""
        return self.limits.total_s * (2 + self.waiting / self.per_receiver) + 30


class Courier:
    """Sends messages until it is told to stop. A message is sent at least once; its id tells repeats apart.

    ``body_of``: what is sent in place of the stored text, made for each attempt on a thread.
    """

    def __init__(
        self,
        outbox: DeliveryQueue,
        client: OutboundClient,
        schedule: RetrySchedule | None = None,
        pace: Pace | None = None,
        *,
        body_of: Callable[[Delivery], str] | None = None,
    ) -> None:
        self._outbox = outbox
        self._body_of = body_of
        self._client = client
        self._schedule = schedule or RetrySchedule()
        self._pace = pace or Pace()
        self._receivers = Receivers(self._pace.per_receiver, self._pace.waiting)
        self._running = 0
        self._stopping = False
        self._news = anyio.Event()

    def wake(self) -> None:
        """Look at the outbox now. For the event loop's own thread."""
        self._news.set()

    def stop(self) -> None:
        """Claim no more; :meth:`run` returns when what is under way has ended, which takes at most ``total_s``."""
        self._stopping = True
        self.wake()

    async def run(self) -> None:
        """Deliver until :meth:`stop`. Cancelling it drops what is under way, which comes up again after its lease."""
        async with anyio.create_task_group() as tasks:
            while not self._stopping:
                self._news = anyio.Event()
                room = min(self._pace.batch, self._pace.concurrency - self._running)
                claimed = await self._claim(room) if room > 0 else []
                await self._accept(claimed, tasks)
                if not claimed or len(claimed) < room:
                    with anyio.move_on_after(self._pace.poll_s):
                        await self._news.wait()
            await self._postpone(self._receivers.take_waiting(), 0.0)

    async def _accept(self, claimed: Sequence[Delivery], tasks: TaskGroup) -> None:
        too_many: defaultdict[Receiver, list[Delivery]] = defaultdict(list)
        for delivery in claimed:
            receiver = self._receivers.of(delivery)
            if receiver.has_slot:
                receiver.running += 1
                self._running += 1
                tasks.start_soon(self._serve, receiver, delivery)
            elif receiver.has_place:
                receiver.waiting.append(delivery)
            else:
                too_many[receiver].append(delivery)
        for receiver, deliveries in too_many.items():
            await self._postpone(deliveries, receiver.pause_s)

    async def _serve(self, receiver: Receiver, delivery: Delivery) -> None:
        """Send the message, then those that wait for the same receiver."""
        try:
            while True:
                whole = await self._whole(delivery)
                if whole is None:
                    await self._postpone([delivery], _UNREADABLE_S)
                else:
                    outcome = await attempt(self._client, whole, self._pace.limits)
                    await self._record(delivery, outcome)
                    await self._postpone(receiver.heard(outcome.answered), receiver.pause_s)
                if not receiver.waiting:
                    return
                delivery = receiver.waiting.popleft()
        finally:
            receiver.running -= 1
            self._running -= 1
            if self._running + 1 == self._pace.concurrency:
                self.wake()

    async def _whole(self, delivery: Delivery) -> Delivery | None:
        """The message as it is to be sent; ``None`` where what it tells of cannot be read now."""
        if self._body_of is None:
            return delivery
        try:
            return replace(delivery, body=await anyio.to_thread.run_sync(self._body_of, delivery))
        except AWAY as error:
            report_outage(_log, error, "what webhooks tell of cannot be read")
            return None
        except Exception as error:  # noqa: BLE001 - the short message is better than none
            log = {"job_id": delivery.job_id, "delivery_id": delivery.id}
            _log.error("webhook %s is sent without outputs", delivery.id, exc_info=error, extra=log)
            return delivery

    async def _record(self, delivery: Delivery, outcome: Outcome) -> None:
        made = delivery.attempts + 1
        log = {"job_id": delivery.job_id, "delivery_id": delivery.id}
        if not outcome.error:
            assert outcome.status is not None
            status = outcome.status
            await self._tell(lambda: self._outbox.delivered(delivery.id, status))
            return
        wait_s = self._schedule.wait_s(made, outcome)
        retry_at = None if wait_s is None else time.time() + wait_s
        again = "given up" if wait_s is None else f"again in {wait_s:.0f} s"
        _log.warning("webhook %s, attempt %d: %s; %s", delivery.id, made, outcome.error, again, extra=log)
        await self._tell(lambda: self._outbox.failed(delivery.id, outcome.error, retry_at, outcome.status))

    async def _claim(self, limit: int) -> list[Delivery]:
        return await self._tell(lambda: self._outbox.claim(limit, self._pace.lease_s)) or []

    async def _postpone(self, deliveries: Sequence[Delivery], wait_s: float) -> None:
        if deliveries:
            ids = [delivery.id for delivery in deliveries]
            await self._tell(lambda: self._outbox.postpone(ids, time.time() + wait_s))

    async def _tell(self, call: Callable[[], Result]) -> Result | None:
        """Call the outbox on a thread. What it raises is logged: the leases see to it that nothing is lost."""
        try:
            return await anyio.to_thread.run_sync(call)
        except Exception as error:  # noqa: BLE001 - whatever a store raises, the loop goes on
            report_outage(_log, error, "the outbox of webhooks cannot be reached")
            return None
