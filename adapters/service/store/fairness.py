"""Whose turn it is: priority first, but waiting counts, and equals take turns between owners. Pure.

The waiting jobs of one owner and priority are a flow; within it, rank and age decide. A flow's level is its priority
and a point for each :data:`AGING_S` that it has waited, since its oldest job came or its last one was started. The
highest level is next; among equal ones, the owner who was served longest ago.

So a flow waits for no longer than it takes to reach the level of those before it, and then for one job of each: once
it has waited for as many points as another's priority is higher, that one is served once more at most. A job with ``n``
jobs before it in its flow starts, at the latest, after ``(n + 1) * ((G + 1) * AGING_S + (K + 1) * t)``: ``G`` is the
difference to the highest priority in the queue, ``K`` the number of flows, ``t`` the time from one start to the next.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

AGING_S = 1.0
"""Waiting that counts as much as a point of priority."""


@dataclass(frozen=True, slots=True)
class Flow:
    """The waiting jobs of one owner and priority.

    ``since``: when the oldest one came; ``served_at``: when a job of this flow was started last. ``turn``: the number
    of the owner's last turn, whatever its priority; 0 where there was none.
    """

    owner: str
    priority: int
    since: float
    served_at: float | None = None
    turn: int = 0

    def level(self, now: float) -> int:
        """What flows are compared by; a clock that was put back makes nobody wait longer than by priority alone."""
        waits_since = self.since if self.served_at is None else max(self.since, self.served_at)
        return self.priority + int(max(0.0, now - waits_since) / AGING_S)


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A waiting job, as far as the order is concerned."""

    id: str
    owner: str
    priority: int


def in_turn(flows: Iterable[Flow], now: float) -> list[Flow]:
    """The flows, the one whose turn it is first."""
    return sorted(flows, key=lambda flow: _rank(flow, flow.level(now), flow.turn))


def in_order(waiting: Iterable[WaitingJob], flows: Iterable[Flow], now: float) -> Iterator[str]:
    """The ids of the waiting jobs in the order in which they would be started if no others came and no time passed.

    ``waiting``: in order within each flow. ``flows``: all of them.
    """
    jobs: dict[tuple[str, int], deque[str]] = defaultdict(deque)
    for job in waiting:
        jobs[job.owner, job.priority].append(job.id)
    known = {(flow.owner, flow.priority): flow for flow in flows}
    turns = {flow.owner: flow.turn for flow in known.values()}
    newest = max(turns.values(), default=0)
    queue = [(_rank(flow, flow.level(now), flow.turn), key) for key, flow in known.items() if jobs[key]]
    heapq.heapify(queue)
    while queue:
        rank, key = heapq.heappop(queue)
        flow, turn = known[key], turns[key[0]]
        if rank[1] != turn:  # Its owner had a turn meanwhile.
            heapq.heappush(queue, (_rank(flow, -rank[0], turn), key))
            continue
        yield jobs[key].popleft()
        newest += 1
        turns[key[0]] = newest
        if jobs[key]:
            heapq.heappush(queue, (_rank(flow, flow.priority, newest), key))


def _rank(flow: Flow, level: int, turn: int) -> tuple[int, int, int, float, str]:
    return -level, turn, -flow.priority, flow.since, flow.owner
