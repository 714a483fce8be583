"""Folders that are gone are noticed before a job is taken, or computed, for nothing."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from adapters.service import folder_faults
from adapters.service.blobs.store import BlobStore
from adapters.service.folder_faults import FolderFaults
from adapters.service.maintenance import clean_up
from adapters.service.new_files import is_part, sweep_parts
from adapters.service.store import Store
from tests.adapters.doors.http.serving import PICTURE, Web, serving
from tests.adapters.services import picture_prompt, running, until


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(folder_faults, "_FRESH_S", 0.0)
    with serving(tmp_path) as running_one:
        running_one.services.store.workers.register("w", "host", 1, {})
        running_one.services.store.workers.beat("w", "ready", {})
        yield running_one


def no_more_files(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """As on a file system that was mounted read-only."""
    real = tempfile.TemporaryFile

    def refuse(*, dir: Path) -> object:
        if Path(dir) == folder:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))
        return real(dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (shutil.rmtree, "the database's file was removed"),
        (lambda data: (data / "queue.sqlite").unlink(), "the database's file was removed"),
        (lambda data: shutil.rmtree(data / "blobs"), "the folder of the blobs was removed"),
        (lambda data: (shutil.rmtree(data / "blobs"), (data / "blobs").mkdir()), "was emptied or replaced"),
    ],
)
def test_what_would_be_gone_is_not_taken(web: Web, harm: Callable[[Path], object], fault: str) -> None:
    with web.client() as client:
        assert client.get("/ready").status_code == 200
        harm(web.folder / "data")
        ready = client.get("/ready")
        assert ready.status_code == 503
        assert any(fault in told for told in ready.json()["faults"]), ready.text
        for path, body in (("/v1/jobs", {"workflow": PICTURE}), ("/prompt", {"prompt": PICTURE})):
            refused = client.post(path, json=body)
            assert refused.status_code == 503, refused.text
            assert fault in refused.text and str(web.folder) not in refused.text
        assert str(web.folder) not in ready.text


def test_a_folder_that_can_only_be_read_is_told(
    web: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with web.client() as client:
        with monkeypatch.context() as patch:
            no_more_files(patch, web.folder / "data")
            told = client.get("/ready").json()["faults"]
            assert told == ["the data folder cannot be written to: Read-only file system"]
            assert client.post("/prompt", json={"prompt": PICTURE}).status_code == 503
        assert client.get("/ready").status_code == 200
        assert client.post("/prompt", json={"prompt": PICTURE}).status_code == 200
    assert caplog.text.count("Read-only file system") == 1
    assert "all folders can be written to again" in caplog.text


def test_a_worker_that_cannot_keep_what_it_makes_is_not_ready(web: Web) -> None:
    web.services.store.workers.beat("w", "ready", {"faults": ["the output folder cannot be made: no"]})
    with web.client() as client:
        ready = client.get("/ready")
        assert (ready.status_code, ready.json()["workers_ready"]) == (503, 0)
        assert ready.json()["faults"] == ["the output folder cannot be made: no"]


def put_a_file_in_place_of(folder: Path) -> bool:
    """Whether it succeeded: the service makes the folder again when it looks, which may be in between."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(IsADirectoryError):
        folder.write_text("in the way of the folder")
    return folder.is_file()


def test_no_job_is_begun_whose_output_could_not_be_kept(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with running(tmp_path / "service", output=str(output), lease_s="2") as service:
        until(lambda: put_a_file_in_place_of(output))
        until(lambda: httpx.get(f"{service.url}/ready").status_code == 503, 60)
        job_id = service.submit(picture_prompt())
        until(lambda: service.log.count("the output folder cannot be made") >= 1)
        assert service.kinds(job_id) == ["queued"]
        output.unlink()
        assert str(service.ended(job_id).state) == "completed"
        assert service.kinds(job_id).count("started") == 1
        until(lambda: httpx.get(f"{service.url}/ready").status_code == 200, 60)


def test_folders_that_jobs_make_are_made_again(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'data' / 'queue.sqlite'}")
    blobs = BlobStore(tmp_path / "blobs")
    faults = FolderFaults(store, blobs, {"output folder": tmp_path / "a" / "output"})
    assert faults.found() == ()
    assert (tmp_path / "a" / "output").is_dir()
    shutil.rmtree(tmp_path / "blobs" / "tmp")
    assert BlobStore(tmp_path / "blobs").put_bytes(b"x") and blobs.put_bytes(b"y")
    store.close()


def test_what_killed_writers_left_is_not_served_and_swept(web: Web) -> None:
    left = web.folder / "input" / ".0123456789abcdef.part"
    fresh = web.folder / "output" / "sub" / ".fedcba9876543210.png"
    fresh.parent.mkdir()
    left.write_bytes(b"half a picture")
    fresh.write_bytes(b"half another")
    os.utime(left, (1, 1))
    with web.client() as client:
        for path, kind in ((left, "input"), (fresh, "output")):
            at = {"filename": path.name, "subfolder": "sub" if kind == "output" else "", "type": kind}
            assert client.get("/view", params=at).status_code == 404
    clean_up(web.services.store, web.services.settings)
    assert (left.exists(), fresh.exists()) == (False, True)
    assert sweep_parts(web.folder / "output", older_than_s=-1) == 1
    assert not is_part("a.png") and not is_part(".hidden.png")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_an_upload_to_a_folder_that_cannot_be_written_is_not_the_callers_fault(
    web: Web, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_source: object, target: object, *_: object) -> None:
        raise OSError(number, os.strerror(number), str(web.folder / "input" / "x"))

    monkeypatch.setattr(shutil, "copyfileobj", refuse)
    with web.client() as client:
        reply = client.post("/upload/image", files={"image": ("a.png", b"x")})
        assert reply.status_code == 503
        assert os.strerror(number) in reply.text and str(web.folder) not in reply.text


def test_a_data_folder_without_room_for_users_is_told(web: Web) -> None:
    (web.folder / "data" / "user").write_text("in the way")
    with web.client() as client:
        assert client.post("/userdata/a.json", content=b"{}").status_code in (422, 503)
