"""The handler as processes, by RunPod's own SDK: behind its local API, and on a stand-in for its platform."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.adapters.doors.runpod.platform import Platform, serving_platform
from tests.adapters.run.direct.conftest import runner, settings  # noqa: F401 - fixtures
from tests.adapters.services import START_S, free_ports, stop, until

pytest.importorskip("runpod")
NODES = Path(__file__).parents[2] / "run" / "worker" / "nodes"
ROOT = Path(__file__).parents[4]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Of a handler whose folders are in ``folder``."""
    names = ("DAGFUSION_", "RUNPOD_", "BUCKET_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    folders = {f"DAGFUSION_{name.upper()}": str(folder / name) for name in ("data", "input", "output", "temp")}
    for path in folders.values():
        Path(path).mkdir(parents=True, exist_ok=True)
    usual = {
        "OMP_NUM_THREADS": "1",
        "DAGFUSION_DISK_CACHE_MIB": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
        "DAGFUSION_DEVICE": "cpu",
    }
    return kept | folders | usual | {"DAGFUSION_NODES": str(NODES)} | more


COMMAND = [sys.executable, "-P", "-m", "adapters.runpod_handler"]


@dataclass
class Handler:
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()


@contextmanager
def handler(folder: Path, *arguments: str, variables: Mapping[str, str]) -> Iterator[Handler]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=folder, env=environment(folder, **variables), stdout=log, stderr=log
        )
    try:
        yield Handler(process, folder / "log")
    finally:
        stop(process)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The SDK's local API over a handler that streams."""
    (port,) = free_ports(1)
    arguments = ("--rp_serve_api", "--rp_api_port", str(port), "--rp_api_host", "127.0.0.1")
    variables = {"DAGFUSION_RUNPOD_STREAM": "true"}
    with (
        handler(tmp_path_factory.mktemp("api"), *arguments, variables=variables) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client,
    ):
        until(lambda: _answers(client, running), START_S)
        yield client


def _answers(client: httpx.Client, running: Handler) -> bool:
    assert running.process.poll() is None, running.log
    try:
        return client.get("/openapi.json").is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    with serving_platform() as running:
        yield running


@pytest.fixture(scope="session")
def on_platform(tmp_path_factory: pytest.TempPathFactory, platform: Platform) -> Iterator[Handler]:
    """A handler that has the platform's jobs, two at a time, and answers with one object each."""
    variables = platform.environment() | {"DAGFUSION_CONCURRENCY": "2"}
    with handler(tmp_path_factory.mktemp("platform"), variables=variables) as running:
        yield running
