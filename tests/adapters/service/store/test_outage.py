"""A database that is away is told of in a line with its reason, and not each time somebody meets it."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from adapters.service.store import outage
from adapters.service.store.outage import disk_is_full, reason_of, report_outage

_log = logging.getLogger("tests.outage")


@pytest.fixture
def full(tmp_path: Path) -> OperationalError:
    """What SQLite says where there is no room left."""
    engine = create_engine(f"sqlite:///{tmp_path / 'full.sqlite'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 2")
        connection.exec_driver_sql("CREATE TABLE large (bytes BLOB)")
        with pytest.raises(OperationalError) as caught:
            connection.exec_driver_sql("INSERT INTO large VALUES (zeroblob(100000))")
    engine.dispose()
    return caught.value


def test_the_reason_is_what_the_database_says_and_no_more(full: OperationalError) -> None:
    assert "Background on this error" in str(full)
    assert reason_of(full) == "database or disk is full"
    assert reason_of(OSError("one\ntwo")) == "one"


def test_a_full_disk_is_told_from_other_troubles(full: OperationalError) -> None:
    class DiskFull(Exception):
        sqlstate = "53100"  # as psycopg's own has it

    assert disk_is_full(full)
    assert disk_is_full(OperationalError("INSERT", {}, DiskFull()))
    assert not disk_is_full(OperationalError("INSERT", {}, Exception("the server is away")))


def test_the_same_is_told_once_in_ten_seconds(
    full: OperationalError, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 5.0  # less than the machine has been up, say
    monkeypatch.setattr(outage, "_told_at", {})
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for number in range(100):
        report_outage(_log, full, "nothing of job %d", number)
        report_outage(_log, full, "no beat")
    assert caplog.messages == ["nothing of job 0: database or disk is full", "no beat: database or disk is full"]
    now += 10
    report_outage(_log, full, "nothing of job %d", 7)
    assert caplog.messages[2:] == ["nothing of job 7: database or disk is full"]
