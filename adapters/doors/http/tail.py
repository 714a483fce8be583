"""Follows the event log for everybody who watches: the database is read once, however many watchers there are."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from itertools import takewhile

from anyio.to_thread import run_sync

from adapters.service.store import Store
from adapters.service.store.records import ENDED, Preview, StoredEvent

_KEPT, _KEPT_BYTES = 2000, 8 * 2**20  # of the newest events, for each topic
_GIVEN_BYTES = 2**18  # to a watcher at a time: one that does not read holds no more
_CHECK_S = 1.0
_BATCH = 1000
_NEVER = -1  # no count of changes
_END_KINDS = frozenset(str(state) for state in ENDED)

Number = Callable[[StoredEvent], int]


class _Topic:
    """What the watchers of one job (or of all) share: recent events, the newest previews, and who waits."""

    def __init__(self, number: Number) -> None:
        self.number = number
        self.events: deque[StoredEvent] = deque()
        self._bytes = 0
        self.previews: dict[str, Preview] = {}
        self.watchers = 0
        self.ended = False  # the job: nothing will come any more
        self._waiting: set[asyncio.Future[None]] = set()

    def add(self, event: StoredEvent) -> None:
        """One more; the oldest go where they are too many or too large."""
        self.events.append(event)
        self._bytes += event.size_bytes
        while len(self.events) > _KEPT or self._bytes > _KEPT_BYTES:
            self._bytes -= self.events.popleft().size_bytes

    def after(self, cursor: int) -> list[StoredEvent] | None:
        """The events with numbers above ``cursor``; ``None`` where some of them are no longer here."""
        if not self.events or self.number(self.events[-1]) <= cursor:
            return []
        if self.number(self.events[0]) > cursor + 1:
            return None
        newer = list(takewhile(lambda event: self.number(event) > cursor, reversed(self.events)))
        return newer[::-1]

    def wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def wait(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)


class Tail:
    """Watches the store while :meth:`run` runs. Slow watchers do not hold up others: each has a cursor of its own, and
    whatever is no longer in memory is read from the database for it. Previews that it misses are skipped.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._topics: dict[str | None, _Topic] = {}
        self._known_previews: dict[str, int] = {}
        self._preview_watchers = 0
        self._position: int | None = None

    async def run(self) -> None:
        """Follow until cancelled. After an error it can be called again: it goes on where it stopped."""
        if self._position is None:
            self._position = await run_sync(self._store.events.last_position)
            for topic in self._topics.values():
                topic.wake()
        seen = _NEVER
        while True:
            look = partial(self._look, seen, self._position, self._known_previews if self._preview_watchers else None)
            seen, batch, more, previews = await run_sync(look, abandon_on_cancel=True)
            if batch:
                self._position = batch[-1].position
                self._spread(batch)
            if more:
                seen = _NEVER
            for preview in previews:
                self._show(preview)

    @property
    def _following(self) -> bool:
        return self._position is not None

    def _look(
        self, seen: int, position: int, known: Mapping[str, int] | None
    ) -> tuple[int, list[StoredEvent], bool, list[Preview]]:
        """Wait for a change after ``seen``, then read what is new. In one thread: each way there and back costs."""
        seen = self._store.changes.wait(seen, _CHECK_S)
        batch, more = self._store.events.page(None, position, most=_BATCH, most_bytes=_GIVEN_BYTES)
        return seen, batch, more, [] if known is None else self._store.previews.newer(known)

    async def follow(
        self, job_id: str | None = None, after: int = 0, *, previews: bool = False
    ) -> AsyncGenerator[list[StoredEvent] | Preview, None]:
        """Batches of events after ``after`` (a number of the job, or a position among all), those in the past first.

        Ends with the job, also where ``after`` is beyond its end. With ``previews``, its unfinished pictures come in
        between, the newest one only.
        """
        topic = self._open(job_id)
        self._preview_watchers += previews
        cursor = after
        shown: dict[str, int] = {}
        behind = True  # what is wanted next may lie in the database only
        followed = False  # when that was last read, so that whatever is newer comes to the topic
        try:
            while True:
                kept, ended = topic.after(cursor), topic.ended
                if behind or kept is None or followed != self._following:
                    followed = self._following
                    there, behind, ended = await run_sync(self._read, job_id, cursor)
                else:
                    there = kept
                batch = _first(there)
                if batch:
                    cursor = topic.number(batch[-1])
                    yield batch
                if ended and not behind and len(batch) == len(there):
                    return
                if batch or behind:
                    continue
                for preview in _fresh(topic, shown) if previews else ():
                    yield preview
                # Not None: then there was more news, meanwhile, than is kept here.
                if topic.after(cursor) == [] and not topic.ended and followed == self._following:
                    await topic.wait()
        finally:
            self._preview_watchers -= previews
            self._close(job_id, topic)

    def _read(self, job_id: str | None, cursor: int) -> tuple[list[StoredEvent], bool, bool]:
        """The next events of the database, whether it may have more that no topic has, and whether the job had ended.

        That is looked up first: where it had, all its events are there.
        """
        ended = job_id is not None and self._store.jobs.has_ended(job_id)
        batch, more = self._store.events.page(job_id, cursor, most=_BATCH, most_bytes=_GIVEN_BYTES)
        return batch, more, ended

    def _open(self, job_id: str | None) -> _Topic:
        number: Number = _position if job_id is None else _number
        topic = self._topics.setdefault(job_id, _Topic(number))
        topic.watchers += 1
        return topic

    def _close(self, job_id: str | None, topic: _Topic) -> None:
        topic.watchers -= 1
        if not topic.watchers:
            del self._topics[job_id]

    def _spread(self, batch: list[StoredEvent]) -> None:
        woken = set()
        for event in batch:
            own = self._topics.get(event.job_id)
            for topic in (own, self._topics.get(None)):
                if topic is not None:
                    topic.add(event)
                    woken.add(topic)
            if event.kind in _END_KINDS:
                if own is not None:
                    own.ended = True
                self._known_previews.pop(event.job_id, None)
                for topic in woken:
                    topic.previews.pop(event.job_id, None)
        for topic in woken:
            topic.wake()

    def _show(self, preview: Preview) -> None:
        self._known_previews[preview.job_id] = preview.version
        for topic in (self._topics.get(preview.job_id), self._topics.get(None)):
            if topic is not None:
                topic.previews[preview.job_id] = preview
                topic.wake()


def _first(events: list[StoredEvent]) -> list[StoredEvent]:
    """As many of them as go to a watcher at a time."""
    size = 0
    for count, event in enumerate(events, 1):
        size += event.size_bytes
        if size >= _GIVEN_BYTES:
            return events[:count]
    return events


def _fresh(topic: _Topic, shown: dict[str, int]) -> list[Preview]:
    fresh = [one for one in topic.previews.values() if shown.get(one.job_id) != one.version]
    shown.update({one.job_id: one.version for one in fresh})
    return fresh


def _number(event: StoredEvent) -> int:
    return event.number


def _position(event: StoredEvent) -> int:
    return event.position
