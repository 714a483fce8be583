"""What servers say of when to ask again, in seconds or as a date, whatever else they put there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.host.retry_after import retry_after_s

DAY_S = 24 * 3600.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("120", 120), ("0", 0), ("1e9", DAY_S), ("9" * 30, DAY_S)),
        *(("-5", None), ("", None), ("soon", None), ("1e999", None)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", DAY_S),
    ],
)
def test_it_is_read(text: str, seconds: float | None) -> None:
    assert retry_after_s(httpx.Headers({"Retry-After": text}), DAY_S) == seconds


def test_no_header_asks_for_nothing() -> None:
    assert retry_after_s(httpx.Headers(), DAY_S) is None


def test_it_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100000), usegmt=True)
    assert retry_after_s({"retry-after": date}, 99000.0) == 99000.0


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_survived(text: str) -> None:
    seconds = retry_after_s({"retry-after": text}, DAY_S)
    assert seconds is None or 0 <= seconds <= DAY_S
