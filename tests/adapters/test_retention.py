"""What a job made is one thing wherever it is: it goes with the job, and nothing of anybody else's goes with it."""

from __future__ import annotations

import base64
import io
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from adapters.host.settings import Settings
from adapters.service.blobs.store import BlobStore
from adapters.service.maintenance import clean_up
from adapters.service.store import Store
from adapters.service.store.records import InputFile, Lease, NewJob, Output, OwnFile
from benchmarks.service import DAGFUSION
from engine.journal import Journal
from tests.adapters.services import Service, picture_prompt, running, until


def png(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(file, "PNG")
    return file.getvalue()


def with_upload(prefix: str) -> dict[str, Any]:
    """A graph that loads the picture it was given, shows it, and saves it."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "given.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("retention")
    with running(folder, temp=str(folder / "temp")) as started:
        yield started


def run(client: httpx.Client, workflow: dict[str, Any], **more: Any) -> dict[str, Any]:
    job = client.post("/v1/jobs", json={"workflow": workflow, **more}, params={"wait": 60}).raise_for_status().json()
    assert job["state"] == "completed", job
    return dict(job)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def clean(service: Service, *arguments: str) -> str:
    environment = os.environ | {f"DAGFUSION_{name.upper()}": value for name, value in service.settings.items()}
    command = [str(DAGFUSION), "jobs", "cleanup", *arguments]
    done = subprocess.run(command, env=environment, cwd=service.folder, capture_output=True, text=True, check=True)
    return done.stdout


def test_all_that_a_job_made_and_brought_goes_with_it_and_what_people_saved_stays(service: Service) -> None:
    output, temp, given = (service.folder / name for name in ("output", "temp", "input"))
    with httpx.Client(base_url=service.url, timeout=60) as client:
        sent = {"given.png": base64.b64encode(png("red")).decode()}
        first = run(client, with_upload("sub/mine"), files=sent)
        edited = run(client, picture_prompt(7, "edited"))
        (output / "sub" / "by_hand.png").write_bytes((output / "sub" / "mine_00001_.png").read_bytes())
        (output / "edited_00001_.png").write_bytes(png("blue"))
        uploaded = {"image": ("own.png", png("green"), "image/png")}
        client.post("/upload/image", files=uploaded).raise_for_status()
        (saved,) = (one for one in client.get(f"/v1/jobs/{first['id']}").json()["outputs"] if one["node_id"] == "2")
        assert client.get(saved["url"]).content == (output / "sub" / "mine_00001_.png").read_bytes()
        place = {"filename": "mine_00001_.png", "subfolder": "sub", "type": "output"}
        assert client.get("/view", params=place).status_code == 200
        assert files(temp)
        assert any(name.startswith(".uploads/") for name in files(given))

        assert "2 jobs forgotten" in clean(service, "--older-than", "0d")
        assert client.get("/view", params=place).status_code == 404
        assert client.get(saved["url"]).status_code == 404
        assert client.get(f"/v1/jobs/{first['id']}").status_code == 404
        assert client.get("/history").json() == client.get(f"/history/{edited['id']}").json() == {}
    assert files(output) == {"sub/by_hand.png", "edited_00001_.png"}
    assert not files(temp)
    assert files(given) == {"own.png"}
    assert all(name.startswith(".") for name in files(service.folder / "data" / "blobs"))
    again = clean(service, "--older-than", "0d")
    assert "0 jobs" in again
    assert "0 files" in again


def test_a_job_that_failed_takes_its_files_along(service: Service) -> None:
    job_id = service.submit(failing_after_saving())
    assert service.ended(job_id).state == "failed"
    assert files(service.folder / "output") >= {"half_00001_.png"}
    clean(service, "--older-than", "0d")
    assert "half_00001_.png" not in files(service.folder / "output")


def failing_after_saving() -> dict[str, Any]:
    """A picture is saved, then a second one cannot be, whose prefix is none."""
    prompt = picture_prompt(9, "half")
    prompt["3"] = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "half/" + "x" * 400}}
    return prompt


class Machine:
    """Folders of one machine; the store and the blobs are those of all."""

    def __init__(self, folder: Path, store: Store, **more: Any) -> None:
        places = {name: folder / name for name in ("input", "output", "temp")}
        self.settings = Settings(**places, data=folder, **more)
        self.store, self.blobs = store, BlobStore(self.settings.blob_url)

    def job(self, name: str, data: bytes, space: str = "", *, state: str = "completed", **more: Any) -> Path:
        """A job that saves a file; where it is."""
        brought = self.blobs.put_bytes(b"brought " + data)
        given = InputFile("a.png", brought.digest, f".uploads/{brought.digest}.png", "image/png", brought.size_bytes)
        self.store.jobs.submit(NewJob(prompt={}, space=space, files=(given,)))
        path = self.settings.output / space / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        claimed = self.store.leases.claim("tester", 60)
        assert claimed is not None
        self._end(claimed[1], state, OwnFile(space, "output", "", name, self.blobs.put_bytes(data).digest), **more)
        return path

    def _end(self, lease: Lease, state: str, file: OwnFile, **more: Any) -> None:
        place = {name: getattr(file, name) for name in ("folder", "subfolder", "filename", "digest")}
        made = Output(name="1", node_id="1", class_type="X", kind="images", cached=False, **place, **more)
        if state == "completed":
            self.store.leases.complete(lease, [made])
        elif state == "failed":
            self.store.leases.fail(lease, {"type": "X", "message": "", "remedy": ""}, files=[file])
        else:
            self.store.leases.cancelled(lease, files=[file])

    def clean(self, days: float = 0.0, **settings: Any) -> tuple[int, int]:
        return clean_up(self.store, self.settings.model_copy(update=settings), days)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """On SQLite, and on a real PostgreSQL server."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'queue.sqlite'}"
    else:
        make: Callable[[], str] = request.getfixturevalue("new_postgres_database")
        url = make()
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture(params=["folder", "remote"])
def machine(request: pytest.FixtureRequest, tmp_path: Path, store: Store) -> Machine:
    blobs = {"blobs": f"memory://{tmp_path.name}"} if request.param == "remote" else {}
    return Machine(tmp_path / "one", store, **blobs)


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
def test_each_keys_files_go_with_its_jobs_however_they_ended(machine: Machine, state: str) -> None:
    own, hers = machine.job("a.png", b"same", state=state), machine.job("a.png", b"same", "key_1", state=state)
    other = hers.with_name("b.png")
    other.write_bytes(b"same")
    assert machine.clean(days=1)[0] == 0
    assert own.exists()
    forgotten, removed = machine.clean()
    assert forgotten == 2
    assert removed == 2 + 2  # what they made, and the blobs of what both made and brought
    assert not own.exists()
    assert not hers.exists()
    assert other.exists()
    assert machine.clean() == (0, 0)


def test_what_jobs_share_goes_with_the_last_that_has_it(machine: Machine) -> None:
    path = machine.job("a.png", b"shared")
    machine.job("a.png", b"shared")
    digests = machine.store.leftovers.digests()
    last = max(job.finished_at or 0.0 for job in machine.store.jobs.find())
    assert machine.store.jobs.forget(ended_before=last) == 1
    machine.clean(days=1)
    assert path.exists()
    assert all(machine.blobs.exists(digest) for digest in digests)
    machine.clean()
    assert not path.exists()
    assert not any(machine.blobs.exists(digest) for digest in digests)


def test_each_machine_removes_its_own_copies_whoever_forgot_the_job(store: Store, tmp_path: Path) -> None:
    one, other = Machine(tmp_path / "one", store), Machine(tmp_path / "other", store)
    path = one.job("a.png", b"here")
    there = other.settings.output / "a.png"
    there.parent.mkdir()
    there.write_bytes(b"here")
    other.clean()
    assert not there.exists()
    assert path.exists()
    one.clean()
    assert not path.exists()


def test_what_was_there_before_the_job_stays_and_so_does_output_that_is_kept(store: Store, tmp_path: Path) -> None:
    machine = Machine(tmp_path, store)
    shown = machine.job("shown.png", b"by hand", found=True)
    kept = machine.job("kept.png", b"kept")
    assert machine.clean(retention_output="kept")[0] == 2
    assert shown.exists()
    assert kept.exists()


def test_a_file_that_a_running_job_gives_out_again_stays(store: Store, tmp_path: Path) -> None:
    machine = Machine(tmp_path, store)
    path = machine.job("a.png", b"again")
    journal = Journal(machine.settings.output, "running", 1)
    journal.uses(path)
    machine.clean()
    assert path.exists()
    journal.close()
    machine.clean()
    assert not path.exists()


def test_a_blob_that_is_put_again_meanwhile_stays(machine: Machine) -> None:
    machine.job("a.png", b"again")
    ended_at = machine.store.jobs.find()[0].finished_at or 0.0
    digest = machine.blobs.put_bytes(b"again").digest  # for a job that is still to be written down
    until(lambda: machine.blobs.put_bytes(b"again") and not machine.blobs.discard(digest, ended_at))
    machine.clean()
    assert machine.blobs.exists(digest)
