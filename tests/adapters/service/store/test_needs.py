"""Who claims a job: only a worker that has what it needs, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.service.store import Store
from adapters.service.store.records import Job, NewJob

A, B = ("node class A",), ("model b", "node class A")


def claimed(store: Store, *there: str) -> str | None:
    def can(needs: Sequence[str]) -> bool:
        return set(needs) <= set(there)

    found = store.leases.claim("w", 60, can)
    return None if found is None else found[0].id


def submit(store: Store, needs: tuple[str, ...] = (), **more: object) -> str:
    return store.jobs.submit(NewJob(prompt={}, needs=needs, **more))[0].id  # type: ignore[arg-type]


def test_a_worker_passes_over_what_it_cannot_run(store: Store) -> None:
    needy = [submit(store, A, owner=owner, priority=5) for owner in "xxy"]
    both, plain = submit(store, B, owner="x"), submit(store)
    assert store.jobs.needs_waiting() == {"": (), digest(A): A, digest(B): B}
    assert claimed(store) == plain
    assert claimed(store) is None
    assert claimed(store, "model b") is None
    assert [claimed(store, "node class A") for _ in range(4)] == [needy[0], needy[2], needy[1], None]
    assert claimed(store, *B) == both
    assert store.jobs.needs_waiting() == {}


def test_what_it_cannot_run_is_not_read_ahead_nor_joined(store: Store) -> None:
    needy, plain = submit(store, A), submit(store)

    def can(needs: Sequence[str]) -> bool:
        return not needs

    def fits(job: Job) -> bool:
        return True

    ahead = store.jobs.next_waiting(can)
    assert ahead is not None
    assert ahead.id == plain
    joined = store.leases.claim_fitting("w", 60, fits, 16, can)
    assert joined is not None
    assert joined[0].id == plain
    assert store.leases.claim_fitting("w", 60, fits, 16, can) is None
    assert store.jobs.next_waiting(can) is None
    assert [job.id for job in store.jobs.queue()[1]] == [needy]
    assert claimed(store, *A) == needy


def test_the_worker_is_asked_of_each_set_once_however_many_wait(store: Store) -> None:
    for number in range(60):
        submit(store, A if number % 2 else B)
    asked: list[Sequence[str]] = []

    def can(needs: Sequence[str]) -> bool:
        asked.append(needs)
        return False

    assert store.leases.claim("w", 60, can) is None
    assert sorted(asked) == sorted([A, B])


def digest(needs: tuple[str, ...]) -> str:
    return NewJob(prompt={}, needs=needs).needs_digest
