"""Starts the real service, or a worker alone, as processes over folders of the test's own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adapters.service.store import Store
from adapters.service.store.records import Job, NewJob

START_S = 90.0
DAGFUSION = Path(sys.executable).parent / "dagfusion"
T = TypeVar("T")
_URL = re.compile(r"listening on (http://\S+)")


def until(look: Callable[[], T], timeout_s: float = 60.0) -> T:
    """What ``look`` gives as soon as that is true of it. Fails after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def picture_prompt(color: int = 0, prefix: str = "test", *, node: str = "SaveImage") -> dict[str, Any]:
    """A graph that costs nothing: a picture of one colour, saved."""
    made = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": color}}
    inputs: dict[str, Any] = {"images": ["1", 0]}
    if node == "SaveImage":
        inputs["filename_prefix"] = prefix
    return {"1": made, "2": {"class_type": node, "inputs": inputs}}


@dataclass
class Service:
    """A running ``dagfusion serve`` or ``dagfusion worker``, and the database and folders that it uses.

    ``settings`` are the ``DAGFUSION_*`` variables by their lower-case names without the prefix.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    settings: Mapping[str, str]
    store: Store
    url: str = ""

    @property
    def log(self) -> str:
        """What it has said until now."""
        return (self.folder / "log").read_text()

    def submit(self, prompt: Mapping[str, Any], **more: Any) -> str:
        """Put a job straight into the database."""
        return self.store.jobs.submit(NewJob(prompt=prompt, **more))[0].id

    def job(self, job_id: str) -> Job:
        """The job as it stands."""
        job = self.store.jobs.get(job_id)
        assert job is not None
        return job

    def ended(self, job_id: str, timeout_s: float = 60.0) -> Job:
        """The job once it has ended."""
        until(lambda: self.job(job_id).state.ended, timeout_s)
        return self.job(job_id)

    def kinds(self, job_id: str) -> list[str]:
        """The kinds of the job's events, whose numbers have no gaps."""
        events = self.store.events.of_job(job_id)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        return [event.kind for event in events]

    def ready_workers(self) -> int:
        """How many workers are ready for jobs."""
        return sum(one.state == "ready" for one in self.store.workers.alive(60))

    def wait_for_worker(self, timeout_s: float = START_S) -> int:
        """The process id of a worker that is ready."""

        def ready() -> int:
            assert self.process.poll() is None, self.log
            return next((one.pid for one in self.store.workers.alive(60) if one.state == "ready"), 0)

        return until(ready, timeout_s)


def _environment(settings: Mapping[str, str], threads: int | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAGFUSION_")}
    given = {f"DAGFUSION_{name.upper()}": value for name, value in settings.items()}
    bounded = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    # Fresh is fresh: what an earlier service encoded is not to help this one.
    own = {"PYTHONUNBUFFERED": "1", "DAGFUSION_DISK_CACHE_MIB": "0"}
    return kept | bounded | own | given


@contextmanager
def running(
    folder: Path, *arguments: str, ready: bool = True, threads: int | None = 1, **settings: str
) -> Iterator[Service]:
    """``dagfusion serve`` (or what ``arguments`` say instead), with its data, input and output in ``folder``.

    ``threads``: of torch, in each process; None for as many as it takes by itself. Waits until a worker is ready,
    unless ``ready`` is false. Stops the process at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = {name: str(folder / name) for name in ("data", "input", "output", "temp")} | settings
    for name in ("input", "output", "temp"):
        Path(settings[name]).mkdir(parents=True, exist_ok=True)
    command = [str(DAGFUSION), *(arguments or ("serve", "--port", "0"))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=_environment(settings, threads), stdout=log, stderr=log)
    store = Store(settings.get("database_url") or f"sqlite:///{settings['data']}/queue.sqlite")
    service = Service(process, folder, settings, store)
    try:
        if command[1] == "serve":
            service.url = until(lambda: _said_url(service), START_S)
        if ready:
            service.wait_for_worker()
        yield service
    finally:
        stop(process)
        store.close()


def _said_url(service: Service) -> str:
    assert service.process.poll() is None, service.log
    found = _URL.search(service.log)
    return found.group(1) if found else ""


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it in good order, or by force where it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
