"""Invocations as SageMaker sends them: in process, and to the command as a container runs it."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from starlette.testclient import TestClient

from adapters.doors.sagemaker.door import MAX_BYTES
from adapters.doors.sagemaker.serving import application
from adapters.doors.sagemaker.statuses import status_of
from adapters.host.settings import Settings
from adapters.run.direct.runner import DirectRunner
from adapters.service.error_table import codes, row_named
from engine.errors import DagfusionError, GraphInvalid, NodeFailed
from tests.adapters.doors.runpod.conftest import environment
from tests.adapters.run.direct.conftest import runner, settings  # noqa: F401 - fixtures
from tests.adapters.services import START_S, free_ports, stop, until

WORKFLOW = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 32, "height": 16, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "blue"}},
}


@pytest.fixture
def client(runner: DirectRunner, settings: Settings) -> Iterator[TestClient]:  # noqa: F811
    with TestClient(application(settings, runner)) as opened:
        yield opened


@pytest.mark.parametrize("body", [{"workflow": WORKFLOW}, {"input": {"workflow": WORKFLOW}}, {"prompt": WORKFLOW}])
def test_a_workflow_gives_its_pictures(client: TestClient, body: dict[str, object]) -> None:
    reply = client.post("/invocations", json=body)
    assert reply.status_code == 200, reply.text
    (image,) = reply.json()["images"]
    assert Image.open(io.BytesIO(base64.b64decode(image["data"]))).size == (32, 16)


def test_who_accepts_an_image_gets_one(client: TestClient) -> None:
    reply = client.post("/invocations", json={"workflow": WORKFLOW}, headers={"Accept": "image/png"})
    assert reply.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(reply.content)).size == (32, 16)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"no json", "workflow-unreadable"),
        (b"[]", "request-invalid"),
        (b"{}", "request-invalid"),
        (json.dumps({"workflow": {"1": {"class_type": "NoSuch", "inputs": {}}}}).encode(), "graph-invalid"),
        (b" " * (MAX_BYTES + 1), "body-too-large"),
    ],
)
def test_what_cannot_run_is_the_callers_fault(client: TestClient, body: bytes, told: str) -> None:
    reply = client.post("/invocations", content=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, told)


def test_a_container_that_can_run_no_more_says_so(client: TestClient, runner: DirectRunner) -> None:  # noqa: F811
    assert client.get("/ping").status_code == 200
    runner.sick = "a node does not stop"
    try:
        assert client.get("/ping").status_code == 503
        assert client.post("/invocations", json={"workflow": WORKFLOW}).status_code == 503
    finally:
        runner.sick = None


def test_every_error_has_a_status() -> None:
    assert {status_of({"type": name}) for name in ("GraphInvalid", "NodeFailed", "QueueFull")} == {400, 500, 503}
    assert row_named("GraphInvalid").code in codes()
    assert issubclass(GraphInvalid, DagfusionError) and issubclass(NodeFailed, DagfusionError)


def test_the_command_serves_as_a_container(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-P", "-m", "adapters.doors.cli", "sagemaker", "serve"]
    variables = environment(tmp_path, SAGEMAKER_BIND_TO_PORT=str(port))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            until(lambda: _answers(http, process, tmp_path / "log"), START_S)
            assert http.post("/invocations", json={"workflow": WORKFLOW}).json()["images"]
    finally:
        stop(process)


def _answers(http: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return http.get("/ping").is_success
    except httpx.HTTPError:
        return False
