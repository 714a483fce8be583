"""When a message is tried again."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.service.webhooks.attempt import MAX_RETRY_AFTER_S, Outcome, _retry_after_s
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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("120", 120), ("0", 0), ("1e9", MAX_RETRY_AFTER_S), ("9" * 30, MAX_RETRY_AFTER_S)),
        *(("-5", 0), ("", 0), ("soon", 0), ("1e999", 0)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_S),
    ],
)
def test_retry_after_is_read(text: str, seconds: float) -> None:
    assert _retry_after_s(httpx.Headers({"retry-after": text})) == seconds


def test_retry_after_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 95 < _retry_after_s(httpx.Headers({"retry-after": date})) <= 100


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_retry_after_is_survived(text: str) -> None:
    try:
        headers = httpx.Headers({"retry-after": text})
    except ValueError:
        return
    seconds = _retry_after_s(headers)
    assert math.isfinite(seconds)
    assert 0 <= seconds <= MAX_RETRY_AFTER_S
