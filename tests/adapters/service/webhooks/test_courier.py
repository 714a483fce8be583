"""Delivery from a real outbox to real receivers that stall, drop, fail, redirect and answer without end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.service.outbound.client import FetchLimits, OutboundClient
from adapters.service.outbound.policy import AddressPolicy
from adapters.service.store import Store
from adapters.service.store.records import Delivery, NewJob, Webhook
from adapters.service.webhooks.courier import Courier, Pace
from adapters.service.webhooks.schedule import RetrySchedule
from adapters.service.webhooks.signing import verify
from tests.adapters.service.outbound.servers import (
    Answer,
    Request,
    endless,
    loopback_policy,
    redirect,
    reply,
    serving,
    stall,
    trickle,
)
from tests.adapters.services import closed_port

pytestmark = pytest.mark.anyio
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PACE = Pace(poll_s=0.02, limits=FetchLimits(total_s=60, quiet_s=60, connect_s=60))
IMPATIENT = replace(PACE, limits=FetchLimits(total_s=0.5, quiet_s=0.3, connect_s=0.3))
AT_ONCE = RetrySchedule(first_s=0.001, cap_s=0.001, attempts=4)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    yield opened
    opened.close()


def message(store: Store, url: str, secret: str = SECRET) -> str:
    """Cancel a job whose owner wants to know; the id of the message that tells of it."""
    job, _ = store.jobs.submit(NewJob(prompt={}, webhook=Webhook(url, secret)))
    store.jobs.cancel(job.id)
    (delivery,) = store.outbox.find(job.id)
    return delivery.id


@asynccontextmanager
async def delivering(
    store: Store,
    *,
    schedule: RetrySchedule = AT_ONCE,
    pace: Pace = PACE,
    policy: AddressPolicy | None = None,
) -> AsyncIterator[Courier]:
    client = OutboundClient(policy or loopback_policy())
    courier = Courier(store.outbox, client, schedule, pace)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(courier.run())
        yield courier
        courier.stop()
    await client.aclose()


async def until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Wait for what must come to pass."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.01)


def delivery_of(store: Store, message_id: str) -> Delivery:
    found = store.outbox.get(message_id)
    assert found is not None
    return found


async def ended(store: Store, message_id: str) -> Delivery:
    await until(lambda: delivery_of(store, message_id).state != "pending")
    return delivery_of(store, message_id)


async def test_a_message_arrives_signed_and_is_sent_once(store: Store) -> None:
    async with serving(reply(b"ok", status=204)) as receiver:
        message_id = message(store, f"{receiver.url}/hook?x=1")
        async with delivering(store):
            assert (await ended(store, message_id)).state == "delivered"
            await asyncio.sleep(0.1)
    (request,) = receiver.requests
    assert request.line == "POST /hook?x=1 HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == message_id
    verify(SECRET, request.headers, request.body)
    assert json.loads(request.body)["type"] == "job.cancelled"
    found = delivery_of(store, message_id)
    assert (found.attempts, found.last_status) == (1, 204)


async def test_a_failure_is_tried_again_under_the_same_id(store: Store) -> None:
    statuses = iter([500, 503, 200])

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        await reply(b"try later", status=next(statuses))(request, writer)

    async with serving(answer) as receiver:
        message_id = message(store, receiver.url)
        async with delivering(store):
            found = await ended(store, message_id)
    assert (found.state, found.attempts) == ("delivered", 3)
    assert {request.headers["webhook-id"] for request in receiver.requests} == {message_id}
    for request in receiver.requests:
        verify(SECRET, request.headers, request.body)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (reply(b"out\x00 of order", status=500), "answers 500"),
        (reply(b"sorry, no", status=400), "answers 400: sorry, no"),
        (redirect("http://10.0.0.1/"), "redirects are not followed"),
        (redirect("http://169.254.169.254/latest"), "redirects are not followed"),
        (stall, "does not answer"),
        (trickle, "took more than 0.5 s"),
        (reply(length=10, status=200), "does not answer as HTTP says"),
    ],
)
async def test_a_receiver_that_never_takes_it_gets_so_many_attempts(store: Store, answer: Answer, says: str) -> None:
    async with serving(answer) as receiver:
        message_id = message(store, receiver.url)
        short = {stall: {"quiet_s": 0.3}, trickle: {"total_s": 0.5}}.get(answer, {})
        pace = replace(PACE, limits=replace(PACE.limits, **short))
        async with delivering(store, schedule=replace(AT_ONCE, attempts=2), pace=pace):
            found = await ended(store, message_id)
            await asyncio.sleep(0.1)
    assert (found.state, found.attempts) == ("dead", 2)
    assert says in (found.last_error or "")
    # On a busy machine, the short time may be over before the receiver has read anything.
    assert len(receiver.requests) == 2 or (short and len(receiver.requests) < 2)


async def test_a_dropped_connection_and_a_closed_port_are_failures(store: Store) -> None:
    async def drop(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    with closed_port() as port:
        async with serving(drop) as receiver:
            dropped, refused = message(store, receiver.url), message(store, f"http://127.0.0.1:{port}")
            async with delivering(store, schedule=replace(AT_ONCE, attempts=1)):
                assert (await ended(store, dropped)).state == "dead"
                assert "cannot be connected to" in ((await ended(store, refused)).last_error or "")


async def test_an_endless_answer_counts_by_its_status(store: Store) -> None:
    async with serving(endless) as receiver:
        message_id = message(store, receiver.url)
        async with delivering(store):
            assert (await ended(store, message_id)).state == "delivered"


async def test_410_ends_it(store: Store) -> None:
    async with serving(reply(status=410)) as receiver:
        message_id = message(store, receiver.url)
        async with delivering(store):
            found = await ended(store, message_id)
    assert (found.state, found.attempts, found.last_status) == ("dead", 1, 410)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://meta/", "http://0x7f.1/", "file:///etc/passwd", "nonsense"]
)
async def test_a_refused_address_is_given_up_at_once(store: Store, url: str) -> None:
    message_id = message(store, url)
    async with delivering(store, policy=loopback_policy(meta="169.254.169.254")):
        found = await ended(store, message_id)
    assert (found.state, found.attempts) == ("dead", 1)


async def test_a_name_that_turns_to_a_private_address_between_attempts_is_refused(store: Store) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    async def rebinding(_: str, __: int) -> Sequence[str]:
        return next(answers)

    async with serving(reply(status=500)) as receiver:
        message_id = message(store, f"http://host:{receiver.port}/")
        async with delivering(store, policy=AddressPolicy(loopback_policy().allowed, rebinding)):
            found = await ended(store, message_id)
    assert (found.state, found.attempts, len(receiver.requests)) == ("dead", 2, 1)


async def test_a_dead_message_can_be_delivered_again(store: Store) -> None:
    async with serving(reply(status=410)) as receiver:
        message_id = message(store, receiver.url)
        async with delivering(store):
            await ended(store, message_id)
    async with serving(reply()) as receiver:
        with store.database.write() as connection:
            connection.exec_driver_sql("UPDATE deliveries SET url = ?", (receiver.url,))
        async with delivering(store) as courier:
            store.outbox.redeliver(message_id)
            courier.wake()
            assert (await ended(store, message_id)).state == "delivered"
    assert receiver.requests[0].headers["webhook-id"] == message_id


async def test_retry_after_is_honoured(store: Store) -> None:
    async with serving(reply(b"", "retry-after: 3600", status=503)) as receiver:
        message_id = message(store, receiver.url)
        async with delivering(store):
            await until(lambda: delivery_of(store, message_id).attempts == 1)
            await asyncio.sleep(0.1)
    found = delivery_of(store, message_id)
    assert (found.state, found.attempts) == ("pending", 1)
    assert 3500 < found.next_at - time.time() <= 3600


async def test_a_receiver_that_stalls_holds_nobody_else_up(store: Store) -> None:
    pace = replace(PACE, concurrency=8, batch=8)
    async with serving(stall) as dead, serving(reply()) as alive:
        stuck = [message(store, dead.url) for _ in range(60)]  # more than are claimed at once, and all of them older
        good = [message(store, alive.url) for _ in range(30)]
        client = OutboundClient(loopback_policy())
        courier = Courier(store.outbox, client, AT_ONCE, pace)
        running = asyncio.create_task(courier.run())
        await until(lambda: all(delivery_of(store, m).state == "delivered" for m in good))
        assert dead.most_open <= pace.per_receiver
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await client.aclose()
    assert all(delivery_of(store, m).state == "pending" for m in stuck)
    assert len(alive.requests) == len(good)


async def test_many_dead_receivers_hold_nobody_up_for_long(store: Store) -> None:
    pace = replace(IMPATIENT, concurrency=8, batch=8)
    schedule = replace(AT_ONCE, attempts=1000)
    policy = loopback_policy(**{f"dead{number}": "127.0.0.1" for number in range(12)})
    async with serving(stall) as dead, serving(reply()) as alive:
        stuck = [message(store, f"http://dead{number % 12}:{dead.port}/") for number in range(36)]
        good = [message(store, alive.url) for _ in range(10)]
        async with delivering(store, schedule=schedule, pace=pace, policy=policy):
            await until(lambda: all(delivery_of(store, m).state == "delivered" for m in good))
    assert not any(delivery_of(store, m).state == "delivered" for m in stuck)


async def test_a_burst_to_one_receiver_is_delivered_once_each_and_a_few_at_a_time(store: Store) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.002)
        await reply()(request, writer)

    async with serving(answer) as receiver:
        sent = [message(store, receiver.url) for _ in range(50)]
        async with delivering(store, pace=replace(PACE, waiting=8, batch=20)):
            await until(lambda: all(delivery_of(store, m).state == "delivered" for m in sent))
    assert sorted(request.headers["webhook-id"] for request in receiver.requests) == sorted(sent)
    assert receiver.most_open <= PACE.per_receiver + 1  # The server may see the end of one after the start of the next.


async def test_what_a_killed_process_had_in_hand_is_delivered_by_the_next(store: Store) -> None:
    async with serving(stall) as receiver:
        message_id = message(store, receiver.url)
        client = OutboundClient(loopback_policy())
        running = asyncio.create_task(Courier(store.outbox, client, AT_ONCE, PACE).run())
        await until(lambda: len(receiver.requests) == 1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await client.aclose()
    assert delivery_of(store, message_id).state == "pending"
    assert delivery_of(store, message_id).next_at > time.time()
    async with serving(reply()) as receiver:
        with store.database.write() as connection:  # as after the lease
            connection.exec_driver_sql("UPDATE deliveries SET next_at = 0, url = ?", (receiver.url,))
        async with delivering(store):
            assert (await ended(store, message_id)).state == "delivered"
    assert receiver.requests[0].headers["webhook-id"] == message_id


async def test_stopping_ends_what_is_under_way_and_gives_back_what_waits(store: Store) -> None:
    release = asyncio.Event()

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await reply()(request, writer)

    pace = replace(PACE, per_receiver=1)
    async with serving(answer) as receiver:
        sent = [message(store, receiver.url) for _ in range(3)]
        async with delivering(store, pace=pace):
            await until(lambda: len(receiver.requests) == 1)
            await asyncio.sleep(0.1)
            asyncio.get_running_loop().call_later(0.1, release.set)
    assert sorted(delivery_of(store, m).state for m in sent) == ["delivered", "pending", "pending"]
    assert len(store.outbox.claim(10, 1)) == 2  # They are due at once, not after a lease.


async def test_the_loop_outlives_a_store_that_fails(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with store.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE deliveries RENAME TO gone")
    async with serving(reply()) as receiver, delivering(store):
        await until(lambda: "outbox of webhooks cannot be reached" in caplog.text)
        with store.database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO deliveries")
        message_id = message(store, receiver.url)
        assert (await ended(store, message_id)).state == "delivered"


async def test_a_message_that_cannot_be_signed_is_given_up(store: Store) -> None:
    async with serving(reply()) as receiver:
        message_id = message(store, receiver.url, "whsec_no base64")
        async with delivering(store):
            assert (await ended(store, message_id)).state == "dead"
    assert not receiver.requests
