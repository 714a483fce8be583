"""The doorbell wakes those who wait for a database's changes; without it they find out by looking."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from adapters.service.store import Store
from adapters.service.store.doorbell import Doorbell
from adapters.service.store.records import NewJob
from tests.adapters.services import until


@pytest.fixture(autouse=True)
def _temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.getbasetemp() / "bells"  # short: the names of sockets are limited
    folder.mkdir(exist_ok=True)
    monkeypatch.setattr("tempfile.tempdir", str(folder))


def _sockets(bell: Doorbell) -> list[Path]:
    return list(bell._folder.iterdir()) if bell._folder.exists() else []


def test_a_ring_is_heard_and_one_without_listeners_harms_nobody(tmp_path: Path) -> None:
    ours, theirs = (Doorbell(str(tmp_path / "queue.sqlite")) for _ in range(2))
    theirs.ring()
    with ours.listening(60) as rung:
        started_at = time.monotonic()
        theirs.ring()
        rung()
        assert time.monotonic() - started_at < 30
    assert _sockets(ours) == []
    theirs.ring()


def test_other_databases_bells_are_not_heard(tmp_path: Path) -> None:
    with Doorbell(str(tmp_path / "a")).listening(0.05) as rung:
        started_at = time.monotonic()
        Doorbell(str(tmp_path / "b")).ring()
        rung()
        assert time.monotonic() - started_at >= 0.04


def test_nobody_waits_for_a_listener_that_does_not_listen(tmp_path: Path) -> None:
    bell = Doorbell(str(tmp_path / "queue.sqlite"))
    with bell.listening(60) as rung:
        for _ in range(10_000):
            bell.ring()
        rung()


def test_what_a_killed_listener_left_is_cleared_away(tmp_path: Path) -> None:
    import socket

    bell = Doorbell(str(tmp_path / "queue.sqlite"))
    bell._folder.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(bell._folder / "1-dead"))
    assert _sockets(bell)
    bell.ring()
    assert _sockets(bell) == []


def test_listeners_that_have_just_left_keep_no_other_from_hearing(tmp_path: Path) -> None:
    bell = Doorbell(str(tmp_path / "queue.sqlite"))
    with bell.listening(60) as rung:
        for number in range(50):  # in whatever order a folder lists them: as good as gone since it was listed
            (bell._folder / f"{number}-gone").symlink_to(tmp_path / "nowhere")
        started_at = time.monotonic()
        bell.ring()
        rung()
        assert time.monotonic() - started_at < 30


def test_changes_are_noticed_where_no_bell_can_be_hung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    url = f"sqlite:///{tmp_path / 'queue.sqlite'}"
    store, other = Store(url), Store(url)
    seen = until(lambda: store.changes.count)  # the first look of a new watcher
    other.jobs.submit(NewJob(prompt={}))
    assert store.changes.wait(seen, 30) != seen
    other.close()
    store.close()
