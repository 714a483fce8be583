"""Encodings outlive the process that made them: real processes over one folder, with the settings' engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GRAPH = Path(__file__).parents[2] / "graphs" / "image_to_image.json"
PROCESS = """
import json, sys
from dataclasses import asdict
from adapters.loading import load_engine, load_folders, load_registry
from adapters.settings import read_settings
from engine.workflow import Workflow

settings = read_settings({})
engine = load_engine(settings, load_registry(settings), load_folders(settings))
heard, lent, lease = [], [], engine.models.lease
engine.models.lease = lambda weights, *patches: lent.append(weights.label) or lease(weights, *patches)
engine.run(Workflow(nodes=json.loads(sys.stdin.read())), listeners=[heard.append])
finished = [event.class_type for event in heard if type(event).__name__ == "NodeFinished" and not event.cached]
cached = next(event.cached for event in heard if type(event).__name__ == "RunStarted")
if engine.cache.disk is not None:
    engine.cache.disk.flush()
    disk = asdict(engine.cache.disk.statistics())
else:
    disk = None
print(json.dumps({"ran": finished, "cached": cached, "lent": lent, "disk": disk}))
"""


def graph(seed: int) -> dict[str, Any]:
    nodes: dict[str, Any] = json.loads(GRAPH.read_text())
    for node in nodes.values():
        if "seed" in node["inputs"]:
            node["inputs"] |= {"seed": seed, "steps": 2}
    return nodes


def run(
    environment: dict[str, str], folder: Path, seed: int, *, out: str, disk_cache_mib: int = 64
) -> tuple[dict[str, Any], bytes]:
    """What the process tells, and the bytes of the picture."""
    here = {
        "DAGFUSION_INPUT": str(GRAPH.parent / "input"),
        "DAGFUSION_OUTPUT": str(folder / out),
        "DAGFUSION_DISK_CACHE": str(folder / "cache"),
        "DAGFUSION_DISK_CACHE_MIB": str(disk_cache_mib),
        "DAGFUSION_DEVICE": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROCESS],
        env=environment | here,
        input=json.dumps(graph(seed)),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    (picture,) = (folder / out).rglob("*.png")
    return json.loads(done.stdout.splitlines()[-1]), picture.read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disk_cache")


def test_another_process_loads_no_encoder_and_makes_the_same_picture(
    offline_environment: dict[str, str], folder: Path
) -> None:
    first, _ = run(offline_environment, folder, 1, out="first")
    assert {"CLIPTextEncode", "VAEEncode"} <= set(first["ran"])
    assert (first["disk"]["hits"], first["disk"]["writes"]) == (0, 3)
    again, picture = run(offline_environment, folder, 2, out="again")
    assert not {"CLIPTextEncode", "VAEEncode"} & set(again["ran"])
    assert (again["disk"]["hits"], again["disk"]["misses"], again["disk"]["writes"]) == (3, 0, 0)
    assert {"2", "3", "5"} <= set(again["cached"])
    without, expected = run(offline_environment, folder, 2, out="without", disk_cache_mib=0)
    assert without["disk"] is None
    assert picture == expected
    encoders = set(without["lent"]) - set(again["lent"])
    assert encoders
    assert all("text" in label or "CLIP" in label for label in encoders)
