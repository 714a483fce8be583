"""A real Ray cluster of two nodes on this machine, and the application on it: a replica that computes on each node."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from adapters.host.settings import EMBEDDED_MODELS
from adapters.service.store import Store
from tests.adapters.services import free_ports, until

ROOT = Path(__file__).parents[4]
BIN = Path(sys.executable).parent
KEY = "operator-key"
START_S = 240.0  # on a busy machine; 20 on a quiet one


def environment(folder: Path) -> dict[str, str]:
    """Of the cluster's processes. Ray asks nobody whether it may report its use."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAGFUSION_", "RAY_"))}
    kept["DAGFUSION_DISK_CACHE_MIB"] = "0"  # no test finds what another one made
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}


@dataclass
class Door:
    """The application, running."""

    url: str
    folder: Path
    store: Store
    log: Path

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30)

    def ended(self, http: httpx.Client, job_id: str, prefix: str = "") -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job: dict[str, Any] = http.get(f"{prefix}/v1/jobs/{job_id}").json()
            return job if job["state"] in ("completed", "failed", "cancelled") else None

        return until(look, 90) or {}


def config_of(folder: Path, port: int) -> Path:
    """KubeRay's documented configuration, with the test's folders and a port of its own; and the other, with GPUs."""
    manifest = yaml.safe_load((ROOT / "docs" / "deploy" / "kuberay.yaml").read_text())
    document = yaml.safe_load(manifest["spec"]["serveConfigV2"])
    document["proxy_location"] = "HeadOnly"  # the nodes share one address
    document["http_options"] = {"host": "127.0.0.1", "port": port}
    (cpu,) = document["applications"]
    variables = {
        "DAGFUSION_API_KEYS": KEY,
        "DAGFUSION_NODES": str(Path(__file__).parent / "nodes"),
        "OMP_NUM_THREADS": "1",
        **{f"DAGFUSION_{name.upper()}": str(folder / name) for name in ("data", "input", "output", "temp", "models")},
    }
    cpu["args"] |= {"gpus": 0, "min_replicas": 2, "max_replicas": 2}
    cpu["runtime_env"] = {"env_vars": variables}  # KubeRay's pods have them of their own
    (gpu,) = yaml.safe_load((ROOT / "docs" / "serve.yaml").read_text())["applications"]
    gpu |= {"name": "gpu", "route_prefix": "/gpu"}
    gpu["args"] |= {"gpus": 1, "min_replicas": 1, "start_s": 0.5, "api_cpus": 0}
    gpu["runtime_env"]["env_vars"] |= variables | {"DAGFUSION_DATA": str(folder / "data of gpu")}
    document["applications"].append(gpu)
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two nodes, of two processors and of one; the address to connect to."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(Path("/tmp")).items():
            patch.setenv(name, value)
        head = {"num_cpus": 2, "num_gpus": 0, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args=head | {"object_store_memory": 80 * 2**20})
        made.add_node(num_cpus=1, num_gpus=0, object_store_memory=80 * 2**20)
        try:
            yield made.address
        finally:
            made.shutdown()


@pytest.fixture(scope="module")
def door(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("door")
    checkpoints = folder / "models" / "checkpoints"
    for name in ("input", "output", "temp"):
        (folder / name).mkdir()
    checkpoints.mkdir(parents=True)
    for name in ("one", "two"):
        shutil.copyfile(EMBEDDED_MODELS / "checkpoints" / "tiny.safetensors", checkpoints / f"{name}.safetensors")
    (port,) = free_ports(1)
    config = config_of(folder, port)
    with (folder / "log").open("wb") as log:
        command = [str(BIN / "serve"), "run", str(config), "--address", cluster]
        process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=log, stderr=log)
    found = Door(
        f"http://127.0.0.1:{port}", folder, Store(f"sqlite:///{folder / 'data' / 'queue.sqlite'}"), folder / "log"
    )
    try:
        until(lambda: answers(process, found), START_S)
        yield found
    finally:
        process.kill()  # the cluster takes down what runs on it
        process.wait()
        found.store.close()


def answers(process: subprocess.Popen[bytes], door: Door) -> bool:
    assert process.poll() is None, door.log.read_text()
    try:
        return all(httpx.get(f"{door.url}{one}/ready", timeout=5).status_code == 200 for one in ("", "/gpu"))
    except httpx.HTTPError:
        return False
