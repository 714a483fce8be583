"""The event log is read once for all who watch, and pictures only while somebody wants them."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.doors.http.tail import Tail, _Topic
from adapters.service.store import Store
from adapters.service.store.records import Lease, NewEvent, NewJob, Preview, StoredEvent


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    yield opened
    opened.close()


def _folder() -> tempfile.TemporaryDirectory[str]:
    """A look that was given up may still open the database in its thread while the folder is removed."""
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


def _claimed(store: Store) -> Lease:
    store.jobs.submit(NewJob(prompt={}))
    claimed = store.leases.claim("w", 60)
    assert claimed is not None
    return claimed[1]


def test_pictures_are_read_only_while_somebody_watches_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Mapping[str, int]] = []
    newer = store.previews.newer
    monkeypatch.setattr(store.previews, "newer", lambda known: (reads.append(known), newer(known))[1])
    lease = _claimed(store)

    async def watch(tail: Tail, *, previews: bool) -> list[Preview]:
        """Until the job has ended; a picture comes first, and again where it was seen."""
        store.previews.put(lease, "1", "image/jpeg", b"first")
        seen = []
        async with aclosing(tail.follow(lease.job_id, previews=previews)) as batches:
            async for batch in batches:
                if isinstance(batch, Preview):
                    seen.append(batch)
                if not previews or isinstance(batch, Preview):
                    break
        return seen

    async def run() -> None:
        tail = Tail(store)
        following = asyncio.create_task(tail.run())
        assert await watch(tail, previews=False) == []
        await asyncio.sleep(0.05)
        assert reads == []
        assert [one.picture for one in await watch(tail, previews=True)] == [b"first"]
        assert reads
        following.cancel()

    asyncio.run(run())


def test_a_watcher_that_was_busy_with_a_picture_misses_no_event(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.doors.http.tail._KEPT", 3)
    lease = _claimed(store)

    async def run() -> list[int]:
        tail = Tail(store)
        following = asyncio.create_task(tail.run())
        numbers: list[int] = []
        async with aclosing(tail.follow(None, previews=True)) as batches:
            async for batch in batches:
                if not isinstance(batch, Preview):
                    numbers += [event.position for event in batch]
                    if len(numbers) == 2:
                        store.previews.put(lease, "1", "image/jpeg", b"picture")
                    if len(numbers) == 12:
                        break
                else:
                    for _ in range(10):  # more than is kept, and nothing after them
                        store.leases.record(lease, [NewEvent("node_progress")])
                    while tail._position != 12:
                        await asyncio.sleep(0.01)
        following.cancel()
        return numbers

    assert asyncio.run(asyncio.wait_for(run(), 30)) == list(range(1, 13))


def _ended_with(store: Store, events: int) -> str:
    """A job that has ended with so many events in all, three of which are its own."""
    lease = _claimed(store)
    if events > 3:
        store.leases.record(lease, [NewEvent("node_progress") for _ in range(events - 3)])
    store.leases.complete(lease, [])
    return lease.job_id


async def _follow_to_end(store: Store, job_id: str, after: int, *, previews: bool) -> list[int]:
    tail = Tail(store)
    following = asyncio.create_task(tail.run())
    numbers: list[int] = []
    async with aclosing(tail.follow(job_id, after, previews=previews)) as batches:
        async for batch in batches:
            assert not isinstance(batch, Preview)
            numbers += [event.number for event in batch]
    following.cancel()
    return numbers


@settings(max_examples=60)
@given(events=st.integers(3, 60), page=st.integers(1, 20), data=st.data(), previews=st.booleans())
def test_an_ended_job_is_told_to_its_end(events: int, page: int, data: st.DataObject, previews: bool) -> None:
    """However many events it has, in whatever pages they are read and wherever it is gone on from; and that ends."""
    multiples = st.integers(0, 3).map(lambda factor: min(factor * page, events + 1))
    after = data.draw(multiples | st.integers(0, events + 5), label="after")
    with _folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.doors.http.tail._BATCH", page)
        store = Store(f"sqlite:///{folder}/queue.sqlite")
        try:
            job_id = _ended_with(store, events)
            followed = asyncio.run(asyncio.wait_for(_follow_to_end(store, job_id, after, previews=previews), 30))
        finally:
            store.close()
    assert followed == list(range(after + 1, events + 1))


def test_what_comes_while_the_following_begins_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job ends after a watcher read the database, and before the place was read from which all is followed."""
    lease = _claimed(store)
    read = threading.Event()
    page, last_position = store.events.page, store.events.last_position

    def page_read(*args: Any, **options: Any) -> tuple[list[StoredEvent], bool]:
        found = page(*args, **options)
        read.set()
        return found

    def position_after_the_end() -> int:
        assert read.wait(30)
        store.leases.complete(lease, [])
        return last_position()

    monkeypatch.setattr(store.events, "page", page_read)
    monkeypatch.setattr(store.events, "last_position", position_after_the_end)
    followed = asyncio.run(asyncio.wait_for(_follow_to_end(store, lease.job_id, 0, previews=False), 30))
    assert followed == [1, 2, 3]


@settings(max_examples=40)
@given(past=st.integers(0, 40), coming=st.integers(0, 40), page=st.integers(1, 10), kept=st.integers(1, 10))
def test_a_running_job_is_told_to_its_end(past: int, coming: int, page: int, kept: int) -> None:
    """What was, what comes while that is told, and nothing twice; each watcher from somewhere else, one beyond all."""

    async def run(store: Store) -> None:
        lease = _claimed(store)
        store.leases.record(lease, [NewEvent("node_progress") for _ in range(past)])
        tail = Tail(store)
        following = asyncio.create_task(tail.run())
        starts = (0, past // 2, past + 2, past + coming + 50)
        seen: list[list[int]] = [[] for _ in starts]

        async def watch(number: int) -> None:
            async with aclosing(tail.follow(lease.job_id, starts[number])) as batches:
                async for batch in batches:
                    assert not isinstance(batch, Preview)
                    seen[number] += [event.number for event in batch]

        watchers = [asyncio.create_task(watch(number)) for number in range(len(starts))]
        for _ in range(coming):
            store.leases.record(lease, [NewEvent("node_progress")])
            await asyncio.sleep(0)
        store.leases.complete(lease, [])
        await asyncio.gather(*watchers)
        following.cancel()
        total = past + coming + 3
        assert seen == [list(range(start + 1, total + 1)) for start in starts]

    with _folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.doors.http.tail._BATCH", page)
        patch.setattr("adapters.doors.http.tail._KEPT", kept)
        store = Store(f"sqlite:///{folder}/queue.sqlite")
        try:
            asyncio.run(asyncio.wait_for(run(store), 30))
        finally:
            store.close()


@settings(max_examples=40)
@given(events=st.integers(3, 60), page=st.integers(1, 20), data=st.data())
def test_all_jobs_past_is_told_from_any_position(events: int, page: int, data: st.DataObject) -> None:
    after = data.draw(st.integers(0, events - 1), label="after")

    async def run(store: Store) -> list[int]:
        tail = Tail(store)
        positions: list[int] = []
        async with aclosing(tail.follow(None, after)) as batches:
            async for batch in batches:
                assert not isinstance(batch, Preview)
                positions += [event.position for event in batch]
                if positions[-1] == events:
                    return positions
        raise AssertionError("the events of all jobs have no end")

    with _folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.doors.http.tail._BATCH", page)
        store = Store(f"sqlite:///{folder}/queue.sqlite")
        try:
            _ended_with(store, events)
            assert asyncio.run(asyncio.wait_for(run(store), 30)) == list(range(after + 1, events + 1))
        finally:
            store.close()


def test_a_watcher_of_a_job_that_is_forgotten_is_let_go(store: Store) -> None:
    job_id = _ended_with(store, 3)
    store.jobs.forget(ended_before=1e12)
    assert asyncio.run(asyncio.wait_for(_follow_to_end(store, job_id, 0, previews=True), 30)) == []


LARGE = "x" * 60_000


def test_watchers_that_do_not_read_hold_a_bound_of_bytes(store: Store) -> None:
    """And still hear of everything, in order, however large it is: live, and from the past."""
    job_id = store.jobs.submit(NewJob(prompt={}))[0].id
    claimed = store.leases.claim("w", 60)
    assert claimed is not None
    lease = claimed[1]
    for _ in range(4):
        store.leases.record(lease, [NewEvent("node_progress", {"text": LARGE})] * 40)

    async def watch(tail: Tail, watched: str | None) -> tuple[list[int], int]:
        numbers: list[int] = []
        largest = 0
        async for batch in tail.follow(watched, 0):
            assert not isinstance(batch, Preview)
            largest = max(largest, sum(event.size_bytes for event in batch))
            numbers += [event.number for event in batch]
            if batch[-1].kind == "completed":
                break
        return numbers, largest

    async def run() -> list[tuple[list[int], int]]:
        tail = Tail(store)
        following = asyncio.create_task(tail.run())
        watchers = [asyncio.create_task(watch(tail, watched)) for watched in (job_id, None) for _ in range(10)]
        while tail._position is None or not tail._topics:
            await asyncio.sleep(0.001)
        for _ in range(4):
            await asyncio.to_thread(store.leases.record, lease, [NewEvent("node_progress", {"text": LARGE})] * 40)
        await asyncio.to_thread(store.leases.complete, lease, [])
        heard = await asyncio.wait_for(asyncio.gather(*watchers), 60)
        following.cancel()
        return heard

    for numbers, largest in asyncio.run(run()):
        assert numbers == list(range(1, 2 + 320 + 1 + 1))
        assert 0 < largest <= 2**18 + len(LARGE) + 100


def test_a_topic_keeps_a_bound_of_bytes() -> None:
    topic = _Topic(lambda event: event.number)
    for number in range(1, 1001):
        topic.add(StoredEvent(number, "j", number, 0.0, "node_progress", {}, size_bytes=60_000))
    assert sum(event.size_bytes for event in topic.events) <= 8 * 2**20
    assert topic.events[-1].number == 1000 and topic.after(0) is None
