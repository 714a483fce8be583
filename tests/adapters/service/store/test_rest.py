"""Changes, previews, keys, workers, and opening a database."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from adapters.service.store import Store
from adapters.service.store.errors import StoreUnavailable
from adapters.service.store.records import NewEvent, NewJob
from adapters.service.store.workers import FREE_CACHE, FREE_MODELS
from tests.adapters.services import until


def test_a_waiter_hears_of_another_connections_commit(store: Store, database_url: str) -> None:
    other = Store(database_url)
    seen = until(lambda: store.changes.count)  # the first look of a new watcher
    heard = threading.Event()

    def wait() -> None:
        if store.changes.wait(seen, 30) != seen:
            heard.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    other.jobs.submit(NewJob(prompt={}))
    waiter.join(timeout=31)
    other.close()
    assert heard.is_set()


def test_a_wait_without_news_ends_by_its_time(store: Store) -> None:
    seen = until(lambda: store.changes.count)
    assert store.changes.wait(seen, 0.01) == seen


def test_a_database_that_was_away_is_listened_to_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.service.store.changes._RECONNECT_S", 0.01)
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    store = Store(f"sqlite:///{home / 'queue.sqlite'}")
    store.database.close()
    home.rename(elsewhere)
    seen = store.changes.wait(store.changes.count, 0.1)  # nothing can be opened there now
    elsewhere.rename(home)
    seen = store.changes.wait(seen, 30)
    store.jobs.submit(NewJob(prompt={}))
    assert store.changes.wait(seen, 30) != seen
    store.close()


def test_only_the_newest_preview_is_kept_and_only_while_the_job_runs(store: Store) -> None:
    job, _ = store.jobs.submit(NewJob(prompt={}))
    claimed = store.leases.claim("w", 60)
    assert claimed is not None
    store.previews.put(claimed[1], "3", "image/jpeg", b"one")
    store.previews.put(claimed[1], "3", "image/jpeg", b"two")
    preview = store.previews.get(job.id)
    assert preview is not None
    assert (preview.version, preview.picture) == (2, b"two")
    assert store.previews.newer({}) == [preview]
    assert store.previews.newer({job.id: 2}) == []
    store.leases.complete(claimed[1], [])
    store.previews.put(claimed[1], "3", "image/jpeg", b"late")
    assert store.previews.get(job.id) is None


def test_a_key_is_found_by_its_text_until_it_is_revoked(store: Store) -> None:
    made, text = store.keys.create("app", ["submit", "read"], rate_limit="10/second")
    assert store.keys.find(text) == made
    assert store.keys.find(text + "x") is None
    assert store.keys.revoke(made.id)
    assert not store.keys.revoke(made.id)
    assert store.keys.find(text) is None
    with pytest.raises(ValueError, match="unknown scope 'root'"):
        store.keys.create("app", ["root"])


def test_the_text_of_a_key_is_nowhere_in_the_database(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'q.sqlite'}")
    _, text = store.keys.create("app", ["read"])
    store.close()
    assert all(text.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_worker_without_heartbeat_is_gone(store: Store) -> None:
    store.workers.register("w", "host", 1, {})
    assert [worker.state for worker in store.workers.alive(60)] == ["starting"]
    assert store.workers.beat("w", "ready", {"device": "cpu"})
    assert [worker.info for worker in store.workers.alive(60)] == [{"device": "cpu"}]
    assert store.workers.alive(-1) == []
    assert store.workers.beat("w", "ready", {})  # whoever asks changes nothing
    store.workers.forget(60)
    assert store.workers.beat("w", "ready", {})
    store.workers.forget(-1)
    assert not store.workers.beat("w", "ready", {})


def test_what_was_stored_is_there_after_opening_again(database_url: str) -> None:
    store = Store(database_url)
    job, _ = store.jobs.submit(NewJob(prompt={}))
    store.close()
    again = Store(database_url)
    assert again.jobs.get(job.id) == job
    again.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://somewhere/db", "databases of kind 'mysql' are not supported"),
        ("no url", "the database URL is no URL"),
        ("sqlite://", "a database in memory"),
        ("sqlite:///:memory:", "a database in memory"),
        ("postgresql://nobody:secret@127.0.0.1:1/none", "cannot be used"),
        ("sqlite:////dev/null/queue.sqlite", "cannot be used"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(StoreUnavailable, match=reason) as refused:
        Store(url)
    assert "secret" not in str(refused.value)


def test_events_of_several_jobs_are_told_apart(store: Store) -> None:
    ids = [store.jobs.submit(NewJob(prompt={}))[0].id for _ in range(3)]
    claimed = store.leases.claim("worker", 30)
    assert claimed is not None
    store.leases.record(claimed[1], [NewEvent("node_progress", {}), NewEvent("node_finished", {})])
    found = store.events.of_jobs(ids[:2], without=["node_progress"])
    assert {job_id: [event.kind for event in events] for job_id, events in found.items()} == {
        ids[0]: ["queued", "started", "node_finished"],
        ids[1]: ["queued"],
    }
    assert store.events.of_jobs([]) == {}


def test_wishes_to_all_workers_are_counted(store: Store) -> None:
    assert store.workers.asked() == {}
    store.workers.ask(FREE_MODELS)
    store.workers.ask(FREE_MODELS, FREE_CACHE)
    assert store.workers.asked() == {FREE_MODELS: 2, FREE_CACHE: 1}
