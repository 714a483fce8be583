"""An attempt that goes on, unaware, while another does its job from beginning to end: nothing of it is left."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.host.loading import load_engine, load_folders, load_registry
from adapters.host.settings import Settings
from adapters.run.worker.job_run import QueueRunner
from adapters.run.worker.leased_jobs import LeasedJob, Stop
from adapters.service.blobs.store import BlobStore
from adapters.service.store import Store
from adapters.service.store.records import JobState, NewJob
from engine.context import Context
from engine.encoded import digest_of
from engine.registry import node
from engine.types import Image

_DIED = {"type": "WorkerLost", "message": "silent", "remedy": ""}
_meanwhile: list[Callable[[], None]] = []  # what comes to pass within an attempt, the next one's last


@node("Meanwhile", category="test", cacheable=False)
def meanwhile(ctx: Context, *, picture: Image) -> Image:
    """The picture; as long as anything is to come to pass meanwhile, a darker one each time."""
    if not _meanwhile:
        return picture
    _meanwhile.pop()()
    return Image(picture.pixels * (len(_meanwhile) / 4))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folders = {name: tmp_path / name for name in ("data", "input", "output", "temp")}
    for path in folders.values():
        path.mkdir()
    return Settings(**folders, device="cpu")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = Store(settings.database)
    yield opened
    opened.close()


@pytest.fixture
def runners(store: Store, settings: Settings) -> list[QueueRunner]:
    """What two worker processes have."""
    registry = load_registry(settings)
    registry.add_module(sys.modules[__name__])
    return [
        QueueRunner(load_engine(settings, registry, load_folders(settings)), store, BlobStore(settings.blob_url))
        for _ in range(2)
    ]


class PastItsLastLook(LeasedJob):
    """A job whose run looks no more at whether it is to stop."""

    def stop(self, why: Stop) -> None:
        self.why = why


def claim(store: Store, owner: str) -> LeasedJob:
    claimed = store.leases.claim(owner, 60)
    assert claimed is not None
    return PastItsLastLook(*claimed)


def taken_over(store: Store) -> LeasedJob:
    """The job, in the hands of the second worker; the first does not know."""
    assert len(store.leases.take_back("first", _DIED)) == 1
    return claim(store, "second")


def submit(store: Store) -> str:
    white = {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0xFFFFFF}}
    prompt: dict[str, Any] = {"1": white, "3": {"class_type": "Meanwhile", "inputs": {"picture": ["1", 0]}}}
    for number, source in (("2", "1"), ("4", "3")):
        inputs = {"images": [source, 0], "filename_prefix": f"{number}s"}
        prompt[number] = {"class_type": "SaveImage", "inputs": inputs}
    return store.jobs.submit(NewJob(prompt=prompt))[0].id


def assert_once(store: Store, settings: Settings, job_id: str) -> None:
    """The second attempt's files are there, as the job's outputs say, and no other one."""
    job = store.jobs.get(job_id)
    assert job is not None
    assert (job.state, job.attempts) == (JobState.COMPLETED, 2)
    given = {str(one.filename): str(one.digest) for one in store.jobs.outputs(job_id)}
    assert len(given) == 2
    assert {path.name: digest_of(path) for path in settings.output.iterdir()} == given
    kinds = [event.kind for event in store.events.of_job(job_id)]
    assert (kinds.count("completed"), kinds[-1]) == (1, "completed")


def test_what_is_saved_after_another_attempt_has_ended_is_removed(
    store: Store, settings: Settings, runners: list[QueueRunner]
) -> None:
    """And what that one took over of it stays: the first picture of both is the same file."""
    job_id = submit(store)
    _meanwhile[:] = [lambda: runners[1].run(taken_over(store), lambda: None)]
    runners[0].run(claim(store, "first"), lambda: None)
    assert_once(store, settings, job_id)


def test_what_is_saved_while_another_attempt_is_under_way_is_removed_at_its_end(
    store: Store, settings: Settings, runners: list[QueueRunner]
) -> None:
    job_id = submit(store)
    first_has_ended, second_is_under_way = threading.Event(), threading.Event()
    second: list[threading.Thread] = []

    def go_on_as_second() -> None:
        hand = taken_over(store)
        second.append(threading.Thread(target=runners[1].run, args=(hand, lambda: None)))
        second[0].start()
        assert second_is_under_way.wait(60)

    def wait_for_first() -> None:
        second_is_under_way.set()
        assert first_has_ended.wait(60)

    _meanwhile[:] = [wait_for_first, go_on_as_second]
    runners[0].run(claim(store, "first"), lambda: None)
    assert len(list(settings.output.glob("4s*"))) == 1
    first_has_ended.set()
    second[0].join(60)
    assert_once(store, settings, job_id)
