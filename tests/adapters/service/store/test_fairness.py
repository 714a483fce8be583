"""Keys at unequal loads take turns, on a clock that the test turns on: nobody waits longer than the stated bound."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from adapters.service.store import Store
from adapters.service.store.errors import OwnQueueFull, QueueFull
from adapters.service.store.fairness import AGING_S, Flow, WaitingJob, in_order, in_turn
from adapters.service.store.records import JobState, KeyLimits, NewJob
from adapters.service.store.tables import counters

PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {}}}


@dataclass
class Clock:
    """What the store goes by."""

    store: Store
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.store.database.now = lambda _connection: self.now  # type: ignore[method-assign]


@pytest.fixture
def clock(store: Store) -> Clock:
    return Clock(store)


def submit(store: Store, owner: str, priority: int = 0, **more: object) -> str:
    return store.jobs.submit(NewJob(prompt=PROMPT, owner=owner, priority=priority, **more))[0].id  # type: ignore[arg-type]


def start(store: Store) -> str | None:
    """Start the next job and end it: its owner and priority."""
    claimed = store.leases.claim("worker", 60)
    if claimed is None:
        return None
    store.leases.complete(claimed[1], [])
    return claimed[0].owner


def turns_given(store: Store) -> int:
    with store.database.read() as connection:
        return int(connection.execute(select(counters.c.value).where(counters.c.name == "turn")).scalar_one())


@dataclass(frozen=True)
class Load:
    """Jobs of one key: so many at once, each so many seconds, at this priority."""

    priority: int
    count: int
    every_s: float


@pytest.mark.parametrize(
    "loads",
    [
        {"flood": Load(0, 30, 10), "steady": Load(0, 1, 4), "rare": Load(0, 1, 17)},
        {"urgent": Load(9, 1, 1), "flood": Load(0, 25, 20), "rare": Load(0, 1, 15)},
        {"urgent": Load(6, 3, 3), "usual": Load(0, 4, 8), "background": Load(-4, 2, 20)},
    ],
)
def test_three_keys_wait_no_longer_than_the_bound(store: Store, clock: Clock, loads: dict[str, Load]) -> None:
    """One worker, a second for each job, twice as much work as it can do: the bound holds for every start."""
    job_s, last_s = 1.0, 60
    highest = max(load.priority for load in loads.values())
    queued: dict[str, list[float]] = defaultdict(list)
    allowed: dict[str, list[float]] = defaultdict(list)
    waits: dict[str, list[float]] = defaultdict(list)
    for second in range(last_s):
        clock.now = 1000.0 + second
        for owner, load in loads.items():
            for _ in range(load.count if second % load.every_s == 0 else 0):
                submit(store, owner, load.priority)
                before = len(queued[owner]) - len(waits[owner])
                gap_s = (highest - load.priority + 1) * AGING_S
                queued[owner].append(clock.now)
                allowed[owner].append((before + 1) * (gap_s + (len(loads) + 1) * job_s))
        owner = start(store)
        assert owner is not None
        number = len(waits[owner])
        waits[owner].append(clock.now - queued[owner][number])
        assert waits[owner][number] <= allowed[owner][number], (owner, number)
        for other, times in queued.items():  # those that still wait
            for place in range(len(waits[other]), len(times)):
                assert clock.now - times[place] <= allowed[other][place], (other, place)
    assert all(waits.values())


def test_equal_keys_take_turns_whatever_they_queue(store: Store, clock: Clock) -> None:
    for _ in range(6):
        submit(store, "a")
    first = [start(store) for _ in range(2)]
    for owner in "bbbc":
        submit(store, owner)
    assert first == ["a", "a"]
    assert [start(store) for _ in range(8)] == ["b", "c", "a", "b", "a", "b", "a", "a"]


def test_no_front_or_number_goes_before_anothers_turn(store: Store, clock: Clock) -> None:
    hers = submit(store, "ann")
    for number in range(3):
        submit(store, "ben", front=True, rank=-1e9 - number)
    assert start(store) in ("ann", "ben")
    submit(store, "ben", front=True)
    start(store)
    job = store.jobs.get(hers)
    assert job is not None
    assert job.state is JobState.COMPLETED


def test_waiting_counts_as_priority(store: Store, clock: Clock) -> None:
    submit(store, "patient", 0)
    for second in range(9):
        clock.now = 1000.0 + second * AGING_S
        submit(store, "urgent", 5)
        if start(store) == "patient":
            break
    assert clock.now == 1000.0 + 5 * AGING_S


def test_a_clock_that_was_put_back_leaves_priority_and_turns(store: Store, clock: Clock) -> None:
    for owner in "ab":
        for _ in range(3):
            submit(store, owner)
    start(store)
    clock.now -= 3600
    urgent = submit(store, "c", 3)
    assert store.jobs.queue()[1][0].id == urgent
    assert [start(store) for _ in range(6)] == ["c", "b", "a", "b", "a", "b"]


def test_a_key_runs_no_more_than_it_may(store: Store, clock: Clock) -> None:
    limited, _ = store.keys.create("few", ["submit"], limits=KeyLimits(max_running=2))
    for _ in range(3):
        submit(store, limited.id)
    submit(store, "other")
    taken = [store.leases.claim("worker", 60) for _ in range(4)]
    owners = [None if one is None else one[0].owner for one in taken]
    assert owners == [limited.id, "other", limited.id, None]
    seen = turns_given(store)
    assert store.leases.claim("worker", 60) is None
    assert store.leases.claim_fitting("worker", 60, lambda _job: True, 16) is None
    assert turns_given(store) == seen  # nothing was written: whoever waits for changes would ask again
    assert taken[0] is not None
    store.leases.complete(taken[0][1], [])
    again = store.leases.claim("worker", 60)
    assert again is not None
    assert again[0].owner == limited.id


def test_a_key_has_no_more_waiting_than_it_may(store: Store) -> None:
    new = NewJob(prompt=PROMPT, owner="ann", idempotency_key="k")
    store.jobs.submit(new, 10, 2)
    store.jobs.submit(NewJob(prompt=PROMPT, owner="ann"), 10, 2)
    with pytest.raises(OwnQueueFull, match="2 jobs of this API key") as refused:
        store.jobs.submit(NewJob(prompt=PROMPT, owner="ann"), 10, 2)
    assert refused.value.retry_after_s > 0
    assert store.jobs.submit(new, 10, 2)[1] is False
    store.jobs.submit(NewJob(prompt=PROMPT, owner="ben"), 10, 2)
    with pytest.raises(QueueFull):
        store.jobs.submit(NewJob(prompt=PROMPT, owner="ben"), 3, 2)


def test_the_queue_is_shown_in_the_order_in_which_it_runs(store: Store, clock: Clock) -> None:
    for owner, priority in [("a", 0)] * 4 + [("b", 0)] * 2 + [("c", 2), ("b", 1), ("a", -1)]:
        submit(store, owner, priority)
    start(store)
    shown = store.jobs.queue()[1]
    assert [store.jobs.place(job) for job in shown] == list(range(1, len(shown) + 1))
    following = store.jobs.next_waiting()
    assert following is not None
    assert following.id == shown[0].id
    ran = []
    while (claimed := store.leases.claim("worker", 60)) is not None:
        ran.append(claimed[0].id)
    assert ran == [job.id for job in shown]


def test_two_claims_at_once_take_two_turns(store: Store) -> None:
    for owner in "aaaabbbb":
        submit(store, owner)
    with ThreadPoolExecutor(4) as pool:
        claimed = list(pool.map(lambda _: store.leases.claim("worker", 60), range(4)))
    owners = sorted(one[0].owner for one in claimed if one is not None)
    assert owners == ["a", "a", "b", "b"]


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(-2, 2)), max_size=30),
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 9)),
)
def test_the_order_is_that_of_one_turn_after_the_other(jobs: list[tuple[str, int]], turns: dict[str, int]) -> None:
    waiting = [WaitingJob(str(number), *job) for number, job in enumerate(jobs)]
    flows = {job: Flow(*job, since=0.0, turn=turns.get(job[0], 0)) for job in set(jobs)}
    order = list(in_order(waiting, flows.values(), 10.0))
    assert sorted(order) == sorted(job.id for job in waiting)
    left, turn = list(waiting), 10
    for job_id in order:
        following = in_turn(
            [flow for key, flow in flows.items() if any((j.owner, j.priority) == key for j in left)], 10.0
        )
        job = next(j for j in left if (j.owner, j.priority) == (following[0].owner, following[0].priority))
        assert job.id == job_id
        left.remove(job)
        turn += 1
        for key, flow in flows.items():
            if flow.owner == job.owner:
                served = 10.0 if flow.priority == job.priority else flow.served_at
                flows[key] = Flow(flow.owner, flow.priority, flow.since, served, turn)
