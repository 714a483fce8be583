"""What took long outlives the process that made it: real processes over one folder, with the settings' engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.host.settings import read_settings
from engine.errors import DagfusionError

ENCODERS = {"CLIPTextEncode", "VAEEncode"}
GRAPH = Path(__file__).parents[2] / "graphs" / "image_to_image.json"
PROCESS = """
import json, sys
from dataclasses import asdict
from adapters.host.loading import load_engine, load_folders, load_registry
from adapters.host.settings import read_settings
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


def around(folder: Path, out: str) -> dict[str, str]:
    return {
        "DAGFUSION_INPUT": str(GRAPH.parent / "input"),
        "DAGFUSION_OUTPUT": str(folder / out),
        "DAGFUSION_DISK_CACHE": str(folder / "cache"),
        "DAGFUSION_DEVICE": "cpu",
    }


def command(environment: dict[str, str], folder: Path, seed: int) -> set[str]:
    """What nodes ``dagfusion run`` has run, by class."""
    program = str(Path(sys.executable).parent / "dagfusion")
    options = ["--seed", str(seed), "--set", "KSampler.steps=2", "--json", "--disk-cache-mib", "64"]
    done = subprocess.run(
        [program, "run", str(GRAPH), *options],
        env=environment | around(folder, "command"),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    events = map(json.loads, done.stdout.splitlines())
    return {event["class_type"] for event in events if event["event"] == "NodeFinished" and not event["cached"]}


def run(
    environment: dict[str, str], folder: Path, seed: int, *, out: str, disk_cache_mib: int = 64
) -> tuple[dict[str, Any], bytes]:
    """What the process tells, and the bytes of the picture."""
    here = around(folder, out) | {"DAGFUSION_DISK_CACHE_MIB": str(disk_cache_mib)}
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
    assert command(offline_environment, folder, 1) >= ENCODERS
    assert len(list((folder / "cache").iterdir())) == 5  # encodings, the latent, the picture
    again, picture = run(offline_environment, folder, 2, out="again")
    assert not ENCODERS & set(again["ran"])
    assert (again["disk"]["hits"], again["disk"]["writes"]) == (3, 2)
    assert {"2", "3", "5"} <= set(again["cached"])
    without, expected = run(offline_environment, folder, 2, out="without", disk_cache_mib=0)
    assert without["disk"] is None
    assert picture == expected
    assert set(without["ran"]) >= ENCODERS
    encoders = set(without["lent"]) - set(again["lent"])
    assert encoders
    assert all("text" in label or "CLIP" in label for label in encoders)


def test_the_same_job_samples_and_decodes_nothing_after_a_restart(
    offline_environment: dict[str, str], tmp_path: Path
) -> None:
    first, expected = run(offline_environment, tmp_path, 3, out="first")
    assert {"KSampler", "VAEDecode"} <= set(first["ran"])
    again, picture = run(offline_environment, tmp_path, 3, out="again")
    assert set(again["ran"]) == {"SaveImage"}
    assert again["lent"] == []
    assert picture == expected


def test_it_is_on_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGFUSION_DISK_CACHE_MIB")
    assert read_settings({}).disk_cache_mib > 0
    monkeypatch.setenv("DAGFUSION_DISK_CACHE_MIB", "-1")
    with pytest.raises(DagfusionError, match="disk_cache_mib"):
        read_settings({})
