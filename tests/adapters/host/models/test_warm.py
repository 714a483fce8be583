"""A worker loads the checkpoints that its manifest calls warm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.host.loading import warm_names
from adapters.host.models.errors import ManifestInvalid
from adapters.host.settings import Settings
from tests.adapters.host.models.conftest import entry, write_manifest

COMMAND = Path(sys.executable).parent / "dagfusion"


def test_what_is_named_comes_before_what_is_listed(tmp_path: Path) -> None:
    listed = [entry(f"{name}.safetensors", b"x", {"civitai": 1}, warm=name != "b") for name in "abc"]
    path = write_manifest(tmp_path / "models.yaml", *listed)
    settings = Settings(warm=["c.safetensors", "flow.json"], manifest=path)
    assert warm_names(settings) == ["c.safetensors", "flow.json", "a.safetensors"]
    assert warm_names(Settings(warm=["flow.json"])) == ["flow.json"]
    path.write_text("models: 1")
    with pytest.raises(ManifestInvalid):
        warm_names(settings)


def test_a_worker_is_ready_once_the_listed_checkpoint_is_loaded(models_dir: Path, tmp_path: Path) -> None:
    file = models_dir / "checkpoints" / "tiny_sd15.safetensors"
    path = write_manifest(tmp_path / "list.yaml", entry(file.name, file.read_bytes(), {"civitai": 1}, warm=True))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAGFUSION_")}
    kept["DAGFUSION_DISK_CACHE_MIB"] = "0"  # no test finds what another one made
    mine = {"DATA": tmp_path, "TEMP": tmp_path, "MODELS": models_dir, "MANIFEST": path, "DEVICE": "cpu"}
    environment = kept | {f"DAGFUSION_{name}": str(value) for name, value in mine.items()}
    with subprocess.Popen(
        [COMMAND, "worker"], env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stderr
        lines: list[str] = []
        while not lines or "ready" not in lines[-1]:
            lines.append(worker.stderr.readline())
            assert lines[-1], lines
        worker.terminate()
        worker.communicate(timeout=60)
    assert any(f"warmed {file.name}" in line for line in lines), lines
