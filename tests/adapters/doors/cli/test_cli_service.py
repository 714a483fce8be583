"""``dagfusion jobs`` and ``dagfusion keys``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from adapters.service.store import Store
from adapters.service.store.records import NewJob, Output, Webhook
from tests.adapters.conftest import Dagfusion


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'data' / 'queue.sqlite'}")
    yield opened
    opened.close()


def ended(store: Store, prompt: dict[str, object]) -> str:
    job_id = store.jobs.submit(NewJob(prompt=prompt, webhook=Webhook("http://receiver.test/", "whsec_hidden")))[0].id
    claimed = store.leases.claim("w", 60)
    assert claimed is not None
    made = Output(name="1_text_0", node_id="1", class_type="X", kind="text", cached=False, data="hello")
    store.leases.complete(claimed[1], [made])
    return job_id


def test_jobs_are_exported_as_lines_without_secrets(dagfusion: Dagfusion, store: Store) -> None:
    done, waiting = ended(store, {"1": {}}), store.jobs.submit(NewJob(prompt={}))[0].id
    told = dagfusion("jobs", "export", "--data", "data", "--events")
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert [line["id"] for line in lines] == [waiting, done]
    assert lines[1]["outputs"][0]["value"] == "hello"
    assert lines[1]["workflow"] == {"1": {}}
    assert "prompt" not in lines[1], "under the API's name alone"
    job = store.jobs.get(done)
    assert job is not None
    for name in ("created_at", "started_at", "finished_at"):
        assert datetime.fromisoformat(lines[1][name]).timestamp() == pytest.approx(getattr(job, name), abs=1e-3), name
    assert lines[0]["finished_at"] is None
    assert {event["job_id"] for event in lines[1]["events"]} == {done}
    assert all(datetime.fromisoformat(event["time"]).tzinfo is not None for event in lines[1]["events"])
    assert [event["kind"] for event in lines[1]["events"]] == ["queued", "started", "completed"]
    assert "whsec_hidden" not in told.stdout
    only = dagfusion("jobs", "export", "--data", "data", "--state", "completed", "--since", "1h")
    assert [json.loads(line)["id"] for line in only.stdout.splitlines()] == [done]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--state", "odd"], "no state 'odd'"), (["--since", "soon"], "'soon' is no time")],
)
def test_what_cannot_be_exported_is_named(dagfusion: Dagfusion, arguments: list[str], said: str) -> None:
    told = dagfusion("jobs", "export", "--data", "data", *arguments)
    assert told.returncode == 1
    assert said in told.stderr


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_who_asks_for_one_model_is_told_of_the_options_that_there_are(dagfusion: Dagfusion, command: str) -> None:
    told = dagfusion(command, "--model", "photo.safetensors")
    assert told.returncode == 2
    assert "--warm photo.safetensors" in told.stderr
    assert "--models" in told.stderr


def test_the_examples_are_found_from_anywhere_with_their_pictures(dagfusion: Dagfusion, tmp_path: Path) -> None:
    told = dagfusion("check", "graphs/controlnet.json")
    assert told.returncode == 0, told.stdout
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "controlnet.json").write_text("{")
    assert dagfusion("check", "graphs/controlnet.json").returncode == 2, "one's own goes first"


def test_cleaning_up_forgets_ended_jobs_only(dagfusion: Dagfusion, store: Store) -> None:
    ended(store, {"1": {}})
    waiting = store.jobs.submit(NewJob(prompt={}))[0].id
    assert "0 jobs forgotten" in dagfusion("jobs", "cleanup", "--data", "data", "--older-than", "1d").stdout
    assert "1 jobs forgotten" in dagfusion("jobs", "cleanup", "--data", "data", "--older-than", "0s").stdout
    assert [job.id for job in store.jobs.find()] == [waiting]


def test_a_key_is_shown_once_and_good_until_it_is_revoked(dagfusion: Dagfusion, store: Store) -> None:
    made = json.loads(dagfusion("keys", "create", "bob", "--scope", "read", "--data", "data", "--json").stdout)
    found = store.keys.find(made["key"])
    assert found is not None
    assert found.scopes == ("read",)
    listed = dagfusion("keys", "list", "--data", "data", "--json").stdout
    assert made["id"] in listed
    assert made["key"] not in listed
    (line,) = dagfusion("keys", "list", "--data", "data").stdout.splitlines()
    assert line.split("\t")[:3] == [made["id"], "bob", "read"], "nothing is cut off"
    assert dagfusion("keys", "revoke", made["id"], "--data", "data").returncode == 0
    assert store.keys.find(made["key"]) is None
    again = dagfusion("keys", "revoke", made["id"], "--data", "data")
    assert again.returncode == 1
    assert made["id"] in again.stderr


def test_a_scope_that_does_not_exist_is_named(dagfusion: Dagfusion) -> None:
    told = dagfusion("keys", "create", "bob", "--scope", "everything", "--data", "data")
    assert told.returncode == 1
    assert "unknown scope 'everything'" in told.stderr
