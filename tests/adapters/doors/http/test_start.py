"""How the service starts, restarts and stops."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.adapters.services import Service, picture_prompt, running, stop, until

DAGFUSION = Path(sys.executable).parent / "dagfusion"


def children(service: Service) -> list[psutil.Process]:
    return psutil.Process(service.process.pid).children()


def web_process(service: Service) -> psutil.Process:
    return next(one for one in children(service) if "adapters.doors.http.process" in one.cmdline())


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def libraries(process: psutil.Process) -> str:
    return " ".join(mapped.path for mapped in process.memory_maps())


def test_it_answers_and_runs_jobs(service: Service, http: httpx.Client) -> None:
    assert http.get("/health").json() == {"status": "ok"}
    assert http.get("/ready").status_code == 200
    job_id = service.submit(picture_prompt(7))
    assert service.ended(job_id).state == "completed"


def test_only_workers_load_torch(service: Service, http: httpx.Client) -> None:
    assert http.get("/v1/nodes").is_success
    light = [psutil.Process(service.process.pid), web_process(service)]
    assert not any("libtorch" in libraries(process) for process in light)
    assert any("libtorch" in libraries(process) for process in children(service) if process not in light)


def test_a_web_process_that_died_is_started_again_and_requests_wait_for_it(service: Service) -> None:
    before = web_process(service)
    before.kill()
    before.wait()
    assert httpx.get(f"{service.url}/v1/jobs", timeout=60).is_success  # the socket has been the supervisor's all along
    assert web_process(service).pid != before.pid


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Service]:
    """A service without workers."""
    with running(tmp_path / "idle", "serve", "--port", "0", "--no-worker", ready=False) as service:
        until(lambda: httpx.get(f"{service.url}/health", timeout=60).is_success)
        yield service


def test_a_port_that_is_taken_is_named(idle: Service, tmp_path: Path) -> None:
    port = idle.url.rpartition(":")[2]
    command = [DAGFUSION, "serve", "--port", port, "--data", tmp_path / "data"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be listened on" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_it_stops_on_sigterm_and_leaves_nobody(idle: Service) -> None:
    left = children(idle)
    stop(idle.process)
    assert idle.process.returncode == 0
    assert not any(process.is_running() for process in left)


def test_its_processes_end_with_it_however_it_ends(idle: Service) -> None:
    left = children(idle)
    os.kill(idle.process.pid, signal.SIGKILL)
    until(lambda: all(map(is_gone, left)))
    with socket.socket() as probe:
        host, _, port = idle.url.removeprefix("http://").partition(":")
        assert probe.connect_ex((host, int(port))) != 0


def test_a_setting_that_cannot_work_ends_it_with_the_reason(tmp_path: Path) -> None:
    command = [DAGFUSION, "serve", "--port", "0", "--data", tmp_path / "data", "--warm", "none.safetensors"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "none.safetensors" in ended.stderr
    assert "starting it again" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_logs_can_be_json_lines_with_job_ids(tmp_path: Path) -> None:
    with running(tmp_path / "json", log_format="json") as service:
        job_id = service.submit(picture_prompt(1))
        service.ended(job_id)
        until(lambda: job_id in service.log)
    lines = [json.loads(line) for line in service.log.splitlines()]
    assert {line["process"] for line in lines} == {"serve", "web", "worker"}
    assert {line.get("job_id") for line in lines} >= {job_id}
