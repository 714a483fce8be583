"""Shares one device among runs: one computes at a time, and steps of several that fit together become one call."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar, cast

from engine.errors import is_out_of_memory

Part = TypeVar("Part")
Made = TypeVar("Made")


@dataclass(eq=False)
class _Wanted:
    """A part that waits to be computed. ``share``: the fraction of one call's capacity that it takes, at most 1."""

    kind: Hashable
    part: Any
    compute: Callable[[Sequence[Any]], Sequence[Any]]
    share: float
    done: bool = False
    made: Any = None
    error: BaseException | None = None


class _Failure(Enum):
    """Why several parts could not be computed in one call."""

    OUT_OF_MEMORY = auto()
    OTHER = auto()


class DeviceScheduler:
    """Runs take turns, each in a thread of its own, and meet in :meth:`together`.

    Parts are computed as soon as no run has anything else to do at the device. So no run waits for time to pass: those
    that have come to a forward pass meet there, whichever step each is at, and a run that is alone never waits. The
    parts that have waited longest go first, so every run makes progress.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._runs = 0
        self._ready = 0  # runs that compute, or could
        self._taken = False
        self._wanted: list[_Wanted] = []
        self._most_at_once: dict[Hashable, int] = {}  # of the kinds that memory did not hold more of
        self.joined = 0  # parts that were computed with others, since this was made

    @property
    def waiting(self) -> int:
        """How many runs wait for the device while another one computes."""
        with self._condition:
            return max(0, self._ready - self._taken)

    @contextmanager
    def run(self) -> Iterator[None]:
        """A run. Inside the block this thread is the one that computes, except while it waits in :meth:`together`."""
        with self._condition:
            self._runs += 1
        try:
            with self._turn():
                yield
        finally:
            with self._condition:
                self._runs -= 1
                if not self._runs:
                    self._most_at_once.clear()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Inside a run: do something that does not need the device, while others compute."""
        self._leave()
        try:
            yield
        finally:
            self._enter()

    def together(
        self, kind: Hashable, part: Part, compute: Callable[[Sequence[Part]], Sequence[Made]], share: float = 0.0
    ) -> Made:
        """What ``compute`` makes of ``part``, possibly in one call with other runs' parts of the same ``kind``.

        ``compute`` returns one result for each part it is given, in order; their shares add up to at most 1. If it
        fails for several, each is computed alone, so that a run fails only because of its own part. If memory ran out,
        at most half as many of that kind are tried in one call from then on, until there are no more runs.
        """
        with self._condition:
            alone = self._runs <= 1
        if alone:
            return compute([part])[0]
        mine = _Wanted(kind, part, compute, share)
        with self._condition:
            self._wanted.append(mine)
        self._leave()
        while group := self._group_to_compute(mine):
            self._compute(group)
        if mine.error is not None:
            raise mine.error
        return cast(Made, mine.made)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._condition:
            self._ready += 1
            self._take_turn()

    def _take_turn(self) -> None:
        """Call it with the lock held."""
        self._condition.wait_for(lambda: not self._taken)
        self._taken = True

    def _leave(self) -> None:
        with self._condition:
            self._ready -= 1
            self._taken = False
            self._condition.notify_all()

    def _group_to_compute(self, mine: _Wanted) -> list[_Wanted]:
        """Wait until ``mine`` is done and return nothing, or return the parts that this thread is to compute."""
        with self._condition:
            self._condition.wait_for(lambda: mine.done or not self._ready)
            if mine.done:
                self._take_turn()
                return []
            self._ready += 1
            self._taken = True
            return self._take_group()

    def _take_group(self) -> list[_Wanted]:
        """The part that has waited longest, and those that can be computed with it."""
        first = self._wanted[0]
        most = self._most_at_once.get(first.kind, len(self._wanted))
        group, share = [first], first.share
        for other in self._wanted[1:]:
            fits = other.kind == first.kind and share + other.share <= 1
            if fits and len(group) < most:
                group.append(other)
                share += other.share
        self._wanted = [one for one in self._wanted if one not in group]
        return group

    def _compute(self, group: Sequence[_Wanted]) -> None:
        try:
            failure = self._try(group)
            if failure is not None:
                if failure is _Failure.OUT_OF_MEMORY:
                    # What the attempt held is in cycles of its error's frames, perhaps: each alone needs that memory.
                    gc.collect()
                    self._most_at_once[group[0].kind] = len(group) // 2
                for one in group:
                    self._try([one])
        finally:
            with self._condition:
                for one in group:
                    one.done = True
                self._ready += len(group) - 1
                self._taken = False
                self._condition.notify_all()

    def _try(self, group: Sequence[_Wanted]) -> _Failure | None:
        """Compute these in one call. Where several of them fail, returns why: each may still succeed alone.

        The error itself is not returned: its frames would keep what they had made alive as long as anybody holds it.
        """
        try:
            made = group[0].compute([one.part for one in group])
        except BaseException as error:  # noqa: BLE001 - raised again in the runs whose parts they are
            if len(group) > 1 and isinstance(error, Exception):
                return _Failure.OUT_OF_MEMORY if is_out_of_memory(error) else _Failure.OTHER
            for one in group:
                one.error = error
            return None
        for one, its in zip(group, made, strict=True):
            one.made = its
        if len(group) > 1:
            self.joined += len(group)
        return None
