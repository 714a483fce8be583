"""What is written to a file that is no longer there would be gone: nobody is told that it is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.service.store import Store
from adapters.service.store.errors import AWAY, DatabaseGone
from adapters.service.store.records import NewJob


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "queue.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{file}")
    opened.jobs.submit(NewJob(prompt={}))
    yield opened
    opened.close()


def remove_all(file: Path) -> None:
    for each in file.parent.iterdir():
        each.unlink()


def replace(file: Path) -> None:
    other = file.parent / "other.sqlite"
    Store(f"sqlite:///{other}").close()
    other.replace(file)


def remove_log(file: Path) -> None:
    Path(f"{file}-wal").unlink()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (remove_all, "was removed"),
        (lambda file: shutil.rmtree(file.parent), "was removed"),
        (replace, "was replaced"),
        (remove_log, "log beside .* was removed"),
    ],
)
def test_nothing_is_written_to_a_file_that_is_gone(
    store: Store, file: Path, harm: Callable[[Path], object], reason: str
) -> None:
    harm(file)
    for _ in range(2):
        with pytest.raises(DatabaseGone, match=reason):
            store.jobs.submit(NewJob(prompt={}))
    assert issubclass(DatabaseGone, AWAY)  # whoever waits for the database to come back waits for this too


def test_a_file_that_is_put_back_is_written_to_again(store: Store, file: Path) -> None:
    aside = file.rename(file.with_name("aside"))
    with pytest.raises(DatabaseGone):
        store.jobs.submit(NewJob(prompt={}))
    aside.rename(file)
    job = store.jobs.submit(NewJob(prompt={}))[0]
    again = Store(f"sqlite:///{file}")
    assert again.jobs.get(job.id) == job
    again.close()
