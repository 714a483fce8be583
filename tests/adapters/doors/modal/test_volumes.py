"""Commits are batched and shared; blobs of other containers are seen; the queue outlives its container."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from adapters.doors.modal.archive import Archive, numbered
from adapters.doors.modal.cleanup import clean_volume
from adapters.doors.modal.commits import Commits
from adapters.doors.modal.places import MountedPaths, check_writable
from adapters.doors.modal.shared_blobs import SharedBlobs
from adapters.service.blobs.errors import VolumeUnavailable
from adapters.service.blobs.store import BlobStore
from adapters.service.store import Store
from adapters.service.store.records import JobState, NewJob, Output
from tests.adapters.doors.modal.volumes import FolderVolume
from tests.adapters.services import until


def test_commits_happen_while_there_is_work_and_once_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two pieces of work the thread sleeps until somebody calls it: there is no time after which it wakes."""
    counted: list[float] = []
    waits: list[float | None] = []
    commits = Commits(lambda: counted.append(time.monotonic()), every_s=0.05)
    wait = commits._condition.wait
    monkeypatch.setattr(commits._condition, "wait", lambda for_s=None: (waits.append(for_s), wait(for_s))[1])
    commits.start()
    until(lambda: waits == [None])
    with commits.work():
        until(lambda: len(counted) >= 3)
    until(lambda: waits[-1] is None and len(waits) > 1)
    still = len(counted)
    assert still >= 4
    commits.close()
    assert len(counted) == still + 1


def test_those_who_ask_together_share_a_commit_that_began_after_they_asked() -> None:
    entered, leave, count = threading.Event(), threading.Event(), 0

    def commit() -> None:
        nonlocal count
        count += 1
        entered.set()
        assert leave.wait(60)

    commits = Commits(commit, every_s=3600)
    commits.start()
    commits.soon()
    assert entered.wait(60)
    done: list[int] = []
    threads = [threading.Thread(target=lambda: (commits.now(), done.append(count))) for _ in range(8)]  # type: ignore[func-returns-value]
    for thread in threads:
        thread.start()
    until(lambda: commits._asked == 9)
    assert done == []
    leave.set()
    for thread in threads:
        thread.join(60)
    assert done == [2] * 8 and count == 2
    commits.close()


def test_who_must_be_sure_hears_that_a_commit_failed() -> None:
    commits = Commits(lambda: (_ for _ in ()).throw(RuntimeError("quota exceeded")))  # type: ignore[arg-type]
    commits.start()
    with pytest.raises(VolumeUnavailable, match="quota exceeded"):
        commits.now()
    commits.close()


def test_a_volume_that_cannot_be_written_to_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (Path("/proc/self/dagfusion"), tmp_path / "file"):
        with pytest.raises(VolumeUnavailable, match="cannot be written to") as raised:
            check_writable(place)
        assert "read_only" in raised.value.remedy
    check_writable(tmp_path / "new")


def test_blobs_of_another_container_are_seen_after_its_commit(tmp_path: Path) -> None:
    there, here = (FolderVolume(tmp_path / name, tmp_path / "cloud") for name in ("there", "here"))
    digest = BlobStore(there.mount / "blobs").put_bytes(b"picture").digest
    shared = SharedBlobs(BlobStore(here.mount / "blobs"), here)
    with pytest.raises(VolumeUnavailable, match="not in the volume"):
        shared.see([digest])
    there.commit()
    shared.see([digest])
    assert b"".join(shared.blobs.chunks(digest)) == b"picture"
    reloads = here.reloads
    shared.see([digest])
    assert here.reloads == reloads


def test_blobs_are_fetched_one_by_one_where_open_files_forbid_a_reload(tmp_path: Path) -> None:
    there, here = (FolderVolume(tmp_path / name, tmp_path / "cloud") for name in ("there", "here"))
    digest = BlobStore(there.mount / "blobs").put_bytes(b"picture").digest
    there.commit()
    here.open_files = True
    shared = SharedBlobs(BlobStore(here.mount / "blobs"), here)
    shared.see([digest])
    assert (b"".join(shared.blobs.chunks(digest)), here.reloads) == (b"picture", 0)


def test_blobs_on_s3_need_no_volume(tmp_path: Path) -> None:
    SharedBlobs(BlobStore(tmp_path), None).see(["ab" * 32])


def submitted(data: Path) -> Store:
    store = Store(f"sqlite:///{data / 'queue.sqlite'}")
    store.jobs.submit(NewJob(prompt={"1": {}}, id="kept"))
    return store


def test_the_queue_outlives_its_container(tmp_path: Path) -> None:
    first = Archive(tmp_path / "first", tmp_path / "volume")
    assert first.restore() is False
    store = submitted(tmp_path / "first")
    (tmp_path / "first" / "secret").write_bytes(b"s" * 32)
    assert first.save() is True
    assert first.save() is False  # nothing has changed
    store.jobs.submit(NewJob(prompt={"1": {}}, id="later"))
    assert first.save() is True

    second = Archive(tmp_path / "second", tmp_path / "volume")
    assert second.restore() is True
    taken = Store(f"sqlite:///{second.database}")
    assert [taken.jobs.get(name) is not None for name in ("kept", "later")] == [True, True]
    assert (tmp_path / "second" / "secret").read_bytes() == b"s" * 32
    store.jobs.submit(NewJob(prompt={"1": {}}, id="too late"))
    first.save()  # the old container is still there, and overwrites nothing of the new one's
    second.save()
    assert [number for number, _ in numbered(tmp_path / "volume")] == [1, 2]
    store.close()
    taken.close()


def test_a_damaged_copy_is_passed_over(tmp_path: Path) -> None:
    first = Archive(tmp_path / "first", tmp_path / "volume")
    first.restore()
    submitted(tmp_path / "first").close()
    first.save()
    (tmp_path / "volume" / "queue-000002.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    second = Archive(tmp_path / "second", tmp_path / "volume")
    assert second.restore() is True
    with sqlite3.connect(second.database) as connection:
        assert connection.execute("SELECT id FROM jobs").fetchall() == [("kept",)]
    connection.close()


def test_the_daily_cleanup_keeps_what_jobs_have_and_removes_the_rest(places: MountedPaths) -> None:
    settings = places.settings(retention_days=1)
    assert clean_volume(settings, places.jobs / "queue") == (0, 0)
    blobs = BlobStore(settings.blob_url)
    wanted, unwanted = (blobs.put_bytes(data).digest for data in (b"wanted", b"unwanted"))
    archive = Archive(settings.data, places.jobs / "queue")
    archive.restore()
    store = Store(settings.database)
    job, _ = store.jobs.submit(NewJob(prompt={"1": {}}))
    claimed = store.leases.claim("w", 60)
    assert claimed is not None
    output = Output(name="1", node_id="1", class_type="X", kind="images", cached=False, digest=wanted, size_bytes=6)
    store.leases.complete(claimed[1], [output])
    archive.save()
    for digest in (wanted, unwanted):
        os.utime(blobs.local_path(digest) or "", (0, 0))
    assert clean_volume(settings, places.jobs / "queue") == (0, 1)
    assert (blobs.exists(wanted), blobs.exists(unwanted)) == (True, False)
    stays = store.jobs.get(job.id)
    assert stays is not None and stays.state is JobState.COMPLETED
    store.close()
