"""A GPU container starts in two phases, on a CPU and then on its device, and keeps the reason where it cannot."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters.doors.modal import start as start_module
from adapters.doors.modal.container import GpuContainer, Taken
from adapters.doors.modal.places import MountedPaths
from adapters.doors.modal.start import ContainerStart
from adapters.host.settings import EMBEDDED_MODELS, Settings
from adapters.run.direct.messages import FailedEnd
from adapters.run.direct.tries import TRIES
from adapters.run.relay.far import Unable
from tests.adapters.doors.modal.volumes import FolderVolume

TINY = EMBEDDED_MODELS / "checkpoints" / "tiny.safetensors"


def with_manifest(places: MountedPaths, tmp_path: Path, *, there: bool = True, **more: Any) -> Settings:
    """A volume that holds one warm checkpoint, and the manifest that says so."""
    target = places.models / "checkpoints" / "own.safetensors"
    target.parent.mkdir(parents=True)
    if there:
        shutil.copyfile(TINY, target)
    entry = {
        "name": "own.safetensors",
        "kind": "checkpoints",
        "source": {"url": "https://example.com/own.safetensors"},
        "sha256": hashlib.sha256(TINY.read_bytes()).hexdigest(),
        "size_bytes": TINY.stat().st_size,
        "warm": True,
    }
    manifest = tmp_path / "models.yaml"
    manifest.write_text(json.dumps({"models": [entry]}))
    return places.settings(**({"manifest": manifest, "device": "cpu"} | more))


def test_warm_checkpoints_are_in_memory_after_phase_one_and_move_without_their_file(
    places: MountedPaths, tmp_path: Path
) -> None:
    start = ContainerStart(with_manifest(places, tmp_path))
    start.load()
    assert start.failure is None and start.runner is None
    engine = start._engine
    assert engine is not None
    held = {one.label for one in engine.models.stats()}
    assert len(held) == 3 and all("own.safetensors" in label for label in held)
    assert not torch.cuda.is_initialized()  # a snapshot must not remember that there was no GPU
    loads = engine.models.loads
    start.move()
    assert start.failure is None and start.runner is not None
    assert start.runner.engine is engine and engine.models.loads == loads
    assert set(start.seconds) == {"load", "move"}
    runner = start.runner
    start.move()
    assert start.runner is runner


def refused(places: MountedPaths, settings: Settings, tmp_path: Path, kind: type) -> tuple[dict[str, Any], int]:
    """The error document that a job gets from a container that could not start, and how often it asked to go."""
    retired: list[None] = []
    container = GpuContainer(
        places, settings, FolderVolume(tmp_path / "jobs", tmp_path / "cloud"), lambda: retired.append(None)
    )
    container.start._pause_s = 0.0
    container.load()
    container.resume()

    async def answers() -> list[Any]:
        return [message async for message in container.run({"id": "a", "prompt": {}}, "fc-1")]

    taken, end = asyncio.run(answers())
    container.close()
    assert taken == Taken("fc-1") and type(end) is kind
    return dict(end.error), len(retired)


def test_a_missing_model_of_the_manifest_is_one_error(places: MountedPaths, tmp_path: Path) -> None:
    error, retired = refused(places, with_manifest(places, tmp_path, there=False), tmp_path, FailedEnd)
    assert (error["type"], error["phase"], error["tries"], retired) == ("ManifestUnmet", "load", TRIES, 1)
    assert "checkpoints/own.safetensors (missing)" in error["message"] and "pull_models" in error["remedy"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_one_error(places: MountedPaths, tmp_path: Path) -> None:
    error, retired = refused(places, places.settings(device="cuda"), tmp_path, Unable)
    assert (error["type"], error["phase"], error["tries"], retired) == ("GpuMissing", "move", TRIES, 1)
    assert "DAGFUSION_MODAL_GPU" in error["remedy"]


def test_a_volume_that_cannot_be_written_to_is_one_error(places: MountedPaths, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = MountedPaths(models=places.models, jobs=tmp_path / "file", local=places.local)
    error, retired = refused(blocked, blocked.settings(device="cpu"), tmp_path, Unable)
    assert (error["type"], error["phase"], error["tries"], retired) == ("VolumeUnavailable", "move", TRIES, 1)


def test_what_fails_at_first_is_tried_again_and_phase_two_makes_up_for_phase_one(
    places: MountedPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_manifest(places, tmp_path, there=False)
    start = ContainerStart(settings, pause_s=0.0)
    start.load()
    assert start.failure is not None and start.failure["type"] == "ManifestUnmet"
    pauses: list[float] = []

    def pull_meanwhile(seconds: float) -> None:
        pauses.append(seconds)
        shutil.copyfile(TINY, places.models / "checkpoints" / "own.safetensors")

    monkeypatch.setattr(start_module.time, "sleep", pull_meanwhile)
    start.move()
    assert len(pauses) == 1 and start.failure is None and start.runner is not None
