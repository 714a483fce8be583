"""The event log is read once for all who watch, and pictures only while somebody wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from pathlib import Path

import pytest

from adapters.doors.http.tail import Tail
from adapters.service.store import Store
from adapters.service.store.records import Happening, Lease, NewJob, Preview


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    yield opened
    opened.close()


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
                        store.leases.record(lease, [Happening("node_progress")])
                    while tail._position != 12:
                        await asyncio.sleep(0.01)
        following.cancel()
        return numbers

    assert asyncio.run(asyncio.wait_for(run(), 30)) == list(range(1, 13))
