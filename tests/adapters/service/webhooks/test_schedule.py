"""When a message is tried again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.service.webhooks.attempt import Outcome
from adapters.service.webhooks.schedule import RetrySchedule

FAILED = Outcome(error="x", status=500)


@settings(deadline=None)
@given(st.integers(1, 99))
def test_the_wait_grows_up_to_the_cap(made: int) -> None:
    schedule = RetrySchedule(first_s=2.0, cap_s=600.0, attempts=100)
    waits = [schedule.wait_s(made, FAILED) or 0.0 for _ in range(20)]
    assert all(0 <= wait <= min(600.0, 2.0 * 2 ** (made - 1)) for wait in waits)


def test_the_wait_is_spread_over_the_whole_range() -> None:
    schedule = RetrySchedule(first_s=100.0, cap_s=100.0, attempts=5)
    waits = [schedule.wait_s(1, FAILED) or 0.0 for _ in range(1000)]
    assert min(waits) < 10
    assert max(waits) > 90
    assert abs(sum(waits) / 1000 - 50) < 5


def test_there_is_an_end() -> None:
    schedule = RetrySchedule(attempts=3)
    assert schedule.wait_s(2, FAILED) is not None
    assert schedule.wait_s(3, FAILED) is None
    assert schedule.wait_s(1, Outcome(error="x", final=True)) is None


def test_retry_after_is_the_least_wait() -> None:
    wait_s = RetrySchedule(first_s=0.1).wait_s(1, Outcome(error="x", retry_after_s=77.0))
    assert wait_s == 77.0
