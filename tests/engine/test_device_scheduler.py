"""Several threads at one device: one computes at a time, what fits is computed at once, nobody is left waiting."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.device_scheduler import DeviceScheduler

WAIT_S = 60.0  # for what has to come


class Squares:
    """Squares numbers, and remembers which were given at once. Fails where it is used by two threads at a time."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self._in_use = threading.Lock()

    def __call__(self, parts: Sequence[int]) -> list[int]:
        assert self._in_use.acquire(blocking=False), "two threads compute at a time"
        try:
            self.calls.append(list(parts))
            if len(parts) > 1 and 13 in parts:
                raise ValueError("thirteen spoils the batch")
            return [part * part if part != 13 else 1 // 0 for part in parts]
        finally:
            self._in_use.release()


def all_at_once(turns: DeviceScheduler, *runs: Callable[[], Any]) -> list[Any]:
    """What each run gives, or raises; all have begun before the first of them computes."""
    everybody = threading.Barrier(len(runs) + 1)

    def one(run: Callable[[], Any]) -> Any:
        everybody.wait(WAIT_S)
        with turns.run():
            return run()

    with ThreadPoolExecutor(len(runs)) as pool:
        with turns.run():  # holds the device until the others wait for it
            futures = [pool.submit(one, run) for run in runs]
            everybody.wait(WAIT_S)
            while turns.waiting < len(runs):
                time.sleep(0.001)
        return [future.exception(WAIT_S) or future.result() for future in futures]


def test_what_fits_is_computed_at_once_and_each_run_gets_its_own() -> None:
    turns, squares = DeviceScheduler(), Squares()
    runs = [lambda part=part: [turns.together("a", part + step, squares) for step in (0, 10)] for part in range(3)]
    assert all_at_once(turns, *runs) == [[0, 100], [1, 121], [4, 144]]
    assert [sorted(call) for call in squares.calls] == [[0, 1, 2], [10, 11, 12]]
    assert turns.joined == 6


def test_a_run_that_is_alone_is_not_held_up() -> None:
    turns, squares = DeviceScheduler(), Squares()
    with turns.run():
        assert turns.together("a", 3, squares) == 9
    assert turns.joined == 0


def test_runs_of_different_length_meet_for_as_long_as_there_are_others() -> None:
    turns, squares = DeviceScheduler(), Squares()
    runs = [lambda n=n: [turns.together("a", 100 * n + step, squares) for step in range(n)] for n in (1, 2, 4)]
    all_at_once(turns, *runs)
    assert [len(call) for call in squares.calls] == [3, 2, 1, 1]


def test_only_parts_of_one_kind_go_together_and_the_oldest_go_first() -> None:
    turns, squares = DeviceScheduler(), Squares()
    runs = [lambda part=part: turns.together(part % 2, part, squares) for part in range(5)]
    assert all_at_once(turns, *runs) == [0, 1, 4, 9, 16]
    assert sorted(map(sorted, squares.calls)) == [[0, 2, 4], [1, 3]]


def test_shares_bound_what_is_computed_at_once() -> None:
    turns, squares = DeviceScheduler(), Squares()
    runs = [lambda part=part: turns.together("a", part, squares, share=0.4) for part in range(5)]
    assert all_at_once(turns, *runs) == [0, 1, 4, 9, 16]
    assert sorted(map(len, squares.calls)) == [1, 2, 2]


def test_a_part_larger_than_what_is_allowed_is_computed_alone() -> None:
    turns, squares = DeviceScheduler(), Squares()
    runs = [lambda part=part: turns.together("a", part, squares, share=3.0) for part in range(2)]
    assert all_at_once(turns, *runs) == [0, 1]
    assert turns.joined == 0


def test_a_part_that_fails_fails_its_own_run_only() -> None:
    turns, squares = DeviceScheduler(), Squares()
    runs = [lambda part=part: turns.together("a", part, squares) for part in (12, 13, 14)]
    first, second, third = all_at_once(turns, *runs)
    assert (first, third) == (144, 196)
    assert isinstance(second, ZeroDivisionError)


def test_where_memory_does_not_suffice_less_of_that_kind_is_tried_at_once() -> None:
    turns, squares = DeviceScheduler(), Squares()

    def small_memory(parts: Sequence[int]) -> list[int]:
        made = squares(parts)
        if len(parts) > 2:
            raise MemoryError
        return made

    def run(part: int) -> None:
        for step in range(3):
            assert turns.together("large", part + step, small_memory) == (part + step) ** 2
        turns.together("small", part, squares)

    all_at_once(turns, *(lambda part=part: run(part) for part in (20, 30, 40, 50)))
    sizes = list(map(len, squares.calls))
    assert sizes[:5] == [4, 1, 1, 1, 1], "each alone, once that failed"
    assert set(sizes[5:-1]) == {2}
    assert sizes[-1] == 4, "another kind takes less"
    all_at_once(turns, *(lambda part=part: turns.together("large", part, squares) for part in (60, 70, 80)))
    assert len(squares.calls[-1]) == 3, "another time there may be more memory"


@pytest.mark.parametrize("cyclic", [False, True])
def test_what_an_attempt_held_is_free_for_those_that_are_tried_alone(cyclic: bool) -> None:
    turns = DeviceScheduler()
    tensors: list[weakref.ref[Squares]] = []
    alive_alone: list[bool] = []

    def compute(parts: Sequence[int]) -> list[int]:
        if len(parts) == 1:
            alive_alone.append(any(ref() is not None for ref in tensors))
            return [parts[0]]
        large: Any = Squares()  # an object that can be referred to weakly
        tensors.append(weakref.ref(large))
        error = MemoryError()
        if cyclic:
            large.error = error
        raise error

    all_at_once(turns, *(lambda part=part: turns.together("a", part, compute) for part in (1, 2)))
    assert tensors and alive_alone == [False, False]


def test_a_part_that_cannot_be_computed_does_not_part_the_others_for_ever() -> None:
    turns, squares = DeviceScheduler(), Squares()

    def run(part: int) -> None:
        with suppress(ZeroDivisionError):
            turns.together("a", part, squares)
        turns.together("a", part + 1, squares)

    all_at_once(turns, *(lambda part=part: run(part) for part in (13, 20, 30, 40)))
    assert [len(call) for call in squares.calls] == [4, 1, 1, 1, 1, 4]


def test_what_is_no_ordinary_error_ends_all_runs_that_wait_for_it() -> None:
    turns = DeviceScheduler()

    def stopped(parts: Sequence[int]) -> list[int]:
        raise KeyboardInterrupt

    def run(part: int) -> str:
        try:
            turns.together("a", part, stopped)
        except KeyboardInterrupt:
            return "stopped"
        return "went on"

    assert all_at_once(turns, *(lambda part=part: run(part) for part in range(3))) == ["stopped"] * 3


def test_a_run_that_is_aside_holds_nobody_up() -> None:
    turns, squares = DeviceScheduler(), Squares()
    computed = threading.Event()

    def writes_a_file() -> bool:
        with turns.aside():
            return computed.wait(WAIT_S)

    def computes() -> int:
        made = turns.together("a", 3, squares)
        computed.set()
        return made

    assert all_at_once(turns, writes_a_file, computes) == [True, 9]


def test_a_run_that_raises_leaves_the_device_to_the_others() -> None:
    turns, squares = DeviceScheduler(), Squares()

    def fails() -> None:
        raise RuntimeError("mine")

    failed, made = all_at_once(turns, fails, lambda: turns.together("a", 3, squares))
    assert (str(failed), made) == ("mine", 9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=6), min_size=1, max_size=5))
def test_whatever_runs_ask_for_each_gets_what_it_would_alone(plans: list[list[tuple[int, int]]]) -> None:
    turns, squares = DeviceScheduler(), Squares()
    runs = [lambda plan=plan: [turns.together(kind, part, squares, 0.3) for kind, part in plan] for plan in plans]
    assert all_at_once(turns, *runs) == [[part * part for _, part in plan] for plan in plans]
    assert sorted(part for call in squares.calls for part in call) == sorted(p for plan in plans for _, p in plan)
