"""Every error has its row in the table, and replies tell of errors in one form, without what is inside."""

from __future__ import annotations

import ast
import importlib
import json
import logging
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from adapters.doors.http.comfy.error_types import ERROR_TYPES, error_object
from adapters.doors.http.problems import MEDIA_TYPE, TYPE_PREFIX, add_handlers
from adapters.doors.http.statuses import STATUSES
from adapters.doors.runpod.replies import failed as runpod_reply
from adapters.service import error_table
from adapters.service.error_documents import error_document
from adapters.service.errors import KeyMissing
from adapters.service.store import outage
from adapters.service.store.errors import QueueFull
from engine.errors import Cancelled, DagfusionError, GraphInvalid, NodeFailed, OutOfMemory, Problem
from tests.adapters.doors.http.serving import serving

ROOT = Path(__file__).parents[4]


def _all_errors() -> list[type[DagfusionError]]:
    """Every class below the root, found in the sources: importing every module would load torch."""
    bases: dict[tuple[str, str], set[str]] = {}
    for package in ("engine", "nodes", "adapters"):
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for statement in ast.walk(ast.parse(path.read_text())):
                if isinstance(statement, ast.ClassDef):
                    bases[module, statement.name] = {ast.unparse(base).rpartition(".")[2] for base in statement.bases}
    names = {DagfusionError.__name__}
    while found := {name for (_, name), above in bases.items() if above & names} - names:
        names |= found
    classes = [getattr(importlib.import_module(module), name) for module, name in sorted(bases) if name in names]
    return [kind for kind in classes if issubclass(kind, DagfusionError)]


@pytest.mark.parametrize("kind", _all_errors(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_error_has_a_row_of_its_own(kind: type[DagfusionError]) -> None:
    assert error_table.has_own_row(kind)
    row = error_table.row_of(kind)
    assert row.code == row.code.lower() and row.title


def test_the_columns_of_the_doors_are_total() -> None:
    assert STATUSES.keys() == ERROR_TYPES.keys() == error_table.codes()
    assert all(400 <= status < 600 for status in STATUSES.values()) and all(ERROR_TYPES.values())


def test_every_row_can_be_found_by_the_name_in_a_jobs_error() -> None:
    for kind in _all_errors():
        assert error_table.row_named(kind.__name__) is error_table.row_of(kind)
    assert error_table.row_named("TimeLimit").code == "time-limit"
    assert error_table.row_named("WorkerLost").retry
    assert error_table.row_named("WorkerStopped").code == "worker-stopped"
    assert error_table.row_named("NameError") is error_table.row_of(RuntimeError("x"))


def test_every_door_gets_a_reply() -> None:
    failed = NodeFailed("3", "KSampler", ValueError("broken"), {"steps": "20"})
    assert error_object(failed)["type"] == "execution_error"
    reply = runpod_reply(error_document(failed))
    assert json.loads(reply["error"])["node_id"] == "3" and "refresh_worker" not in reply
    out_of_memory = OutOfMemory("3", "KSampler", MemoryError("no"), {})
    assert runpod_reply(error_document(out_of_memory))["refresh_worker"] is True
    assert json.loads(runpod_reply(error_document(Cancelled()))["error"])["code"] == "cancelled"
    assert json.loads(runpod_reply(error_document(QueueFull(3)))["error"])["retry"] is True


def test_replies_are_problem_details_and_keep_the_inside_inside(tmp_path: Path) -> None:
    with serving(tmp_path) as web, web.client() as client:
        _add_failing_routes(web.app)
        reply = client.get("/fail/unexpected")
        assert reply.status_code == 500
        assert reply.headers["content-type"] == MEDIA_TYPE
        document = reply.json()
        assert document["type"] == f"{TYPE_PREFIX}internal-error"
        assert document["instance"].startswith("urn:uuid:")
        assert "secret" not in reply.text and "Traceback" not in reply.text
        graph = client.get("/fail/graph")
        assert graph.status_code == 422
        assert [one["code"] for one in graph.json()["problems"]] == ["missing_node_type", "value_not_in_list"]
        assert graph.json()["detail"] == "2 problems"
        full = client.get("/fail/full")
        assert (full.status_code, full.headers["retry-after"]) == (503, "10")
        key = client.get("/fail/key")
        assert (key.status_code, key.headers["www-authenticate"]) == (401, "Bearer")
        for path, status in (("/v1/nothing", 404), ("/v1/jobs", 405)):
            other = client.put(path)
            assert other.status_code == status
            assert other.headers["content-type"] == MEDIA_TYPE and other.json()["status"] == status


def _add_failing_routes(app: FastAPI) -> None:
    errors: dict[str, Exception] = {
        "unexpected": RuntimeError("the secret inside"),
        "graph": GraphInvalid([Problem("missing_node_type", "no X"), Problem("value_not_in_list", "no Y")]),
        "full": QueueFull(3),
        "key": KeyMissing("an API key is needed"),
    }

    @app.get("/fail/{name}", include_in_schema=False)
    def fail(name: str) -> None:
        raise errors[name]


def test_a_database_that_is_away_is_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "_told_at", {})
    app = FastAPI()
    add_handlers(app)

    @app.get("/away")
    def away() -> None:
        raise OperationalError("INSERT", {}, Exception("the server is away"))

    with TestClient(app) as client:
        reply = [client.get("/away") for _ in range(3)][-1]
    assert (reply.status_code, reply.json()["detail"]) == (503, "the database does not answer")
    (record,) = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert record.getMessage() == "the database does not answer: the server is away"
    assert record.exc_info is None


def test_what_cannot_be_changed_because_the_disk_is_full_is_said_so() -> None:
    class DiskFull(Exception):
        sqlite_errorname = "SQLITE_FULL"

    app = FastAPI()
    add_handlers(app)

    @app.delete("/job")
    def cancel() -> None:
        raise OperationalError("UPDATE", {}, DiskFull("database or disk is full"))

    with TestClient(app) as client:
        reply = client.delete("/job")
    assert reply.status_code == 503 and "disk is full" in reply.json()["detail"] and "room" in reply.json()["remedy"]
