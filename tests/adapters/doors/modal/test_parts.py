"""What the app's functions and its class do, run here through the SDK's own local calls where it has them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.doors.modal import parts, sage
from adapters.doors.modal.container import Taken
from adapters.doors.modal.image import PROJECT
from adapters.doors.modal.places import MountedPaths
from adapters.doors.modal.settings import ModalSettings
from adapters.doors.modal.setup_check import print_rows
from adapters.run.direct.messages import Completed, Happened
from engine.errors import DagfusionError
from tests.adapters.doors.modal.volumes import FolderVolume
from tests.adapters.services import picture_prompt


@pytest.fixture
def app(places: MountedPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The app's module, its volumes and places replaced by folders."""
    from adapters.doors.modal import app as modal_app

    monkeypatch.setattr(modal_app, "PLACES", places)
    monkeypatch.setattr(modal_app, "jobs", FolderVolume(places.jobs, tmp_path / "cloud"))
    monkeypatch.setattr(modal_app, "models", FolderVolume(places.models, tmp_path / "models cloud"))
    monkeypatch.setenv("DAGFUSION_SECRET", "x" * 32)
    return modal_app


def locally(function: Any) -> Any:
    with pytest.warns(UserWarning, match="executing locally"):
        return function.local()


def test_the_class_runs_a_job_and_commits(app: Any, places: MountedPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = parts.gpu_container
    monkeypatch.setattr(parts, "gpu_container", lambda *given: cpu(*given, device="cpu"))
    gpu = app.Gpu._get_user_cls()()
    gpu.load()
    shutil.rmtree(places.local)  # a snapshot is of the memory
    gpu.move()
    assert gpu.container.start.failure is None

    def is_committed(digest: str | None) -> bool:
        return (app.jobs.cloud / "blobs" / str(digest)[:2] / str(digest)).is_file()

    committed: list[bool] = []

    async def messages() -> list[Any]:
        found = []
        async for message in gpu.run({"id": "a", "prompt": picture_prompt(1)}):
            found.append(message)
            if isinstance(message, Completed):  # who hears of the end looks for the outputs at once
                committed.extend(is_committed(output.digest) for output in message.outputs)
        return found

    first, *others, last = asyncio.run(messages())
    assert first == Taken("") and isinstance(last, Completed)
    told = [
        entry.kind
        for message in (*others, last)
        if isinstance(message, Happened | Completed)
        for entry in message.entries
    ]
    assert (told[0], told[-1]) == ("run_started", "node_finished")
    assert committed == [True]
    (places.jobs / "late").write_text("")
    gpu.leave()
    assert (app.jobs.cloud / "late").is_file()


def test_the_api_container_loads_what_it_needs_and_no_more() -> None:
    heavy = {"torch", "diffusers", "transformers", "modal"}
    code = f"import sys, adapters.doors.modal.api; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_the_daily_cleanup_commits(app: Any) -> None:
    locally(app.clean_up)
    assert app.jobs.commits == 1


def manifest(places: MountedPaths, tmp_path: Path, contents: bytes, sha256: str | None = None) -> Path:
    source = tmp_path / "source.yaml"
    source.write_bytes(contents)
    entry = {
        "name": "v1.yaml",
        "kind": "configs",
        "source": {"path": str(source)},
        "sha256": sha256 or hashlib.sha256(contents).hexdigest(),
        "size_bytes": len(contents),
    }
    path = tmp_path / "models.yaml"
    path.write_text(json.dumps({"models": [entry]}))
    return path


def test_models_are_pulled_into_their_volume(
    app: Any, places: MountedPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = locally(app.fetch_models)
    assert row["status"] == "fail" and "no manifest" in row["found"] and "DAGFUSION_MANIFEST" in row["remedy"]
    monkeypatch.setattr("adapters.doors.modal.places.MANIFEST", manifest(places, tmp_path, b"model: {}\n"))
    (row,) = locally(app.fetch_models)
    assert (row["status"], row["what"], row["found"]) == ("ok", "configs/v1.yaml", "fetched")
    assert (app.models.cloud / "configs" / "v1.yaml").read_bytes() == b"model: {}\n"


def test_a_model_that_cannot_be_pulled_is_one_error(
    app: Any, places: MountedPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.doors.modal.places.MANIFEST", manifest(places, tmp_path, b"model: {}\n", "ab" * 32))
    (row,) = locally(app.fetch_models)
    assert row["status"] == "fail" and "configs/v1.yaml" in row["found"]


def test_the_setup_is_examined_and_printed(
    app: Any, places: MountedPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("adapters.doors.modal.places.MANIFEST", manifest(places, tmp_path, b"model: {}\n"))
    rows = json.loads(json.dumps(parts.examine(places, device="cpu")))
    found = {row["what"]: row for row in rows}
    assert found["volume of jobs"]["status"] == "ok" and "node classes" in found["nodes"]["found"]
    assert (found["models configs/v1.yaml"]["status"], found["models configs/v1.yaml"]["found"]) == ("fail", "missing")
    assert found["device choice"]["status"] == "warn"  # pictures take minutes on a CPU
    assert print_rows(rows) is False
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(rows) and "fail\tmodels configs/v1.yaml\tmissing" in "\n".join(lines)
    assert print_rows([row for row in rows if row["status"] != "fail"]) is True


def test_without_a_gpu_the_check_says_so(places: MountedPaths) -> None:
    (gpu,) = [row for row in parts.examine(places) if row["what"] == "device GPU"]
    assert gpu["status"] == "fail" and "finds none" in gpu["found"]


def a_wheel(folder: Path, version: str = "2.2.0") -> Path:
    """A wheel with one module, as small as they get."""
    info = f"sageattention-{version}.dist-info"
    path = folder / f"sageattention-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("sageattention/__init__.py", f"__version__ = '{version}'\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: sageattention\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def test_a_wheel_is_built_once_and_installed_by_later_containers(tmp_path: Path) -> None:
    calls: list[tuple[Sequence[str], Mapping[str, str]]] = []
    folder = sage.wheel_folder(tmp_path, "L40S")
    assert folder.name.startswith(f"L40S-cp3{sys.version_info.minor}-torch")
    assert sage.install(folder, tmp_path / "site") is False

    def call(command: Sequence[str], environment: Mapping[str, str]) -> None:
        calls.append((command, environment))
        a_wheel(folder)

    wheel = sage.build(folder, "v2.2.0", (8, 9), call)
    assert sage.build(folder, "v2.2.0", (8, 9), call) == wheel and len(calls) == 1
    command, environment = calls[0]
    assert command[1:4] == ["-m", "pip", "wheel"] and command[-1].endswith("SageAttention.git@v2.2.0")
    assert (environment["TORCH_CUDA_ARCH_LIST"], str(folder) in command) == ("8.9", True)
    assert sage.install(folder, tmp_path / "site") is True
    assert (tmp_path / "site" / "sageattention" / "__init__.py").is_file()


def test_a_wheel_that_does_not_build_or_install_stops_no_container(tmp_path: Path) -> None:
    def fails(_command: Sequence[str], _environment: Mapping[str, str]) -> None:
        raise subprocess.CalledProcessError(1, "nvcc")

    with pytest.raises(DagfusionError, match="could not be built"):
        sage.build(tmp_path / "a", "v2.2.0", (8, 9), fails)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "sageattention-1-py3-none-any.whl").write_bytes(b"broken")
    assert sage.install(tmp_path / "b", tmp_path / "site") is False


def test_postgresql_lets_several_api_containers_share_the_queue() -> None:
    chosen = ModalSettings(api_max_containers=3)
    assert parts.api_max_containers(chosen, "") == 1
    assert parts.api_max_containers(chosen, "postgresql://db/queue") == 3
