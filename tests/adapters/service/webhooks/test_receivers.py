"""How much each receiver gets at a time."""

from __future__ import annotations

from adapters.service.store.records import Delivery
from adapters.service.webhooks.courier import Pace
from adapters.service.webhooks.receivers import Receivers


def delivery(url: str, number: int = 0) -> Delivery:
    message_id = f"msg_{number}"
    return Delivery(
        id=message_id, job_id="j", event="completed", url=url, secret="s", body="", state="pending", attempts=0,
        next_at=0.0, created_at=0.0,
    )  # fmt: skip


def test_a_receiver_is_a_host_and_port_whatever_the_path() -> None:
    known = Receivers(slots=2, places=3)
    one = known.of(delivery("https://host/a?b"))
    assert known.of(delivery("https://HOST:443/c")) is one
    for other in ("http://host/a", "https://host:444/a", "https://other/a", "nonsense"):
        assert known.of(delivery(other)) is not one
    assert known.of(delivery("nonsense")) is known.of(delivery("file:///x"))


def test_slots_and_places_are_limited() -> None:
    receiver = Receivers(slots=2, places=3).of(delivery("http://host/"))
    assert receiver.has_slot
    receiver.running = 2
    assert not receiver.has_slot
    for number in range(3):
        assert receiver.has_place
        receiver.waiting.append(delivery("http://host/", number))
    assert not receiver.has_place


def test_a_receiver_that_does_not_answer_gets_one_at_a_time_until_it_does() -> None:
    receiver = Receivers(slots=4, places=3).of(delivery("http://host/"))
    waiting = [delivery("http://host/", number) for number in range(2)]
    receiver.waiting.extend(waiting)
    assert receiver.heard(answered=True) == []
    assert list(receiver.waiting) == waiting
    receiver.running = 1
    assert receiver.heard(answered=False) == waiting  # They would wait in vain, and longer than their leases.
    assert not receiver.waiting
    assert not receiver.has_place
    assert not receiver.has_slot
    receiver.running = 0
    assert receiver.has_slot
    receiver.running = 1
    receiver.heard(answered=True)
    assert receiver.has_slot
    assert receiver.has_place


def test_the_pause_grows_with_silence_up_to_two_minutes() -> None:
    receiver = Receivers(slots=4, places=3).of(delivery("http://host/"))
    assert receiver.pause_s <= 0.5
    pauses = []
    for _ in range(100):
        receiver.heard(answered=False)
        pauses.append(receiver.pause_s)
    assert all(0.5 * 0.5 * 2 ** (n + 1) <= pause <= 0.5 * 2 ** (n + 1) for n, pause in enumerate(pauses[:7]))
    assert all(60 <= pause <= 120 for pause in pauses[10:])


def test_taking_what_waits() -> None:
    known = Receivers(slots=1, places=5)
    waiting = [delivery(f"http://host{number % 3}/", number) for number in range(9)]
    for one in waiting:
        known.of(one).waiting.append(one)
    assert sorted(one.id for one in known.take_waiting()) == sorted(one.id for one in waiting)
    assert known.take_waiting() == []


def test_idle_receivers_are_forgotten_and_busy_ones_are_not() -> None:
    known = Receivers(slots=1, places=5)
    busy = known.of(delivery("http://busy/"))
    busy.running = 1
    for number in range(3000):
        known.of(delivery(f"http://host{number}/"))
    assert known.of(delivery("http://busy/")) is busy
    assert len(known._known) <= 1001


def test_a_message_is_leased_for_longer_than_it_can_take() -> None:
    pace = Pace()
    rounds = pace.waiting / pace.per_receiver + 1
    assert pace.lease_s > rounds * pace.limits.total_s
