"""``dagfusion doctor`` on this machine, and on what can be broken about it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.doors.cli.app import app
from adapters.host.settings import read_settings
from adapters.service.doctor import software
from adapters.service.doctor.devices import _runs_on
from adapters.service.store import Store
from tests.adapters.host.models.conftest import entry, weights, write_manifest

Doctor = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Run ``dagfusion doctor --json`` in an empty folder; returns exit code and, by "group name", the findings."""
    for name in os.environ:
        if name.startswith("DAGFUSION_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DAGFUSION_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGFUSION_TEMP", str(tmp_path / "temp"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/checkpoints").mkdir(parents=True)

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        result = CliRunner().invoke(app, ["doctor", "--json", "--models", "models", *map(str, arguments)])
        document = json.loads(result.stdout)
        assert (document["status"] == "fail") == (result.exit_code == 1), result.stderr
        for finding in document["findings"]:
            assert finding["status"] == "ok" or finding["remedy"], finding
        return result.exit_code, {f"{f['group']} {f['name']}": f for f in document["findings"]}

    return run


def test_a_sound_machine(doctor: Doctor, tmp_path: Path) -> None:
    code, found = doctor("--device", "cpu")
    assert code == 0
    assert found["machine cores"]["value"].endswith(f"of {os.cpu_count()}")
    assert found["device choice"]["status"] == "warn"  # no GPU
    assert found["device choice"]["value"].startswith("cpu, float32 (")
    assert "float32" in found["device formats"]["value"]
    assert "plain" in found["attention torch kernels"]["value"]
    assert found["attention choice"]["value"].startswith("torch scaled_dot_product_attention, ")
    assert "diffusers 0." in found["software libraries"]["value"]
    assert "libx264" in found["software codecs"]["value"]
    assert found["storage models"]["value"].startswith("models, 0 files, ")
    assert str(tmp_path / "data") in found["storage data"]["value"]
    assert found["storage database"]["value"].startswith("sqlite:///")
    assert not (tmp_path / "data").exists()  # examining leaves nothing behind
    assert not (tmp_path / "output").exists()


def test_people_get_a_line_a_finding_and_remedies(doctor: Doctor) -> None:
    result = CliRunner().invoke(app, ["doctor", "--device", "cpu"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any(line.startswith("ok    machine system: ") for line in lines)
    where = next(i for i, line in enumerate(lines) if line.startswith("warn  storage models: no folder is named"))
    assert lines[where + 1].startswith("      -> name a ComfyUI models folder")


def test_a_device_that_is_not_there(doctor: Doctor) -> None:
    code, found = doctor("--device", "cuda:99")
    assert code == 1
    assert "cuda:99" in found["device choice"]["value"]
    assert "storage output" in found  # the rest is examined all the same


def test_precisions(doctor: Doctor) -> None:
    _, found = doctor("--device", "cpu", "--precision", "bfloat16")
    assert "cpu, bfloat16 (VAE bfloat16)" in found["device choice"]["value"]
    assert "in bfloat16 on cpu" in found["attention torch kernels"]["value"]


@pytest.mark.parametrize("quick", [True, False])
def test_large_networks_on_a_cpu(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, quick: bool) -> None:
    monkeypatch.setattr("engine.devices.quick_bfloat16", lambda: quick)
    _, found = doctor("--device", "cpu")
    others = "large networks bfloat16" if quick else "VAE float32"
    assert found["device choice"]["value"].startswith(f"cpu, float32 ({others}), ")


def test_an_attention_kernel_that_cannot_be(doctor: Doctor) -> None:
    code, found = doctor("--device", "cpu", "--attention", "sage")
    assert code == 1
    assert found["attention choice"]["value"] == "SageAttention needs an NVIDIA GPU, and networks run on 'cpu'"
    assert "--attention auto" in found["attention choice"]["remedy"]


@pytest.mark.parametrize(("compiler", "status"), [("g++", "warn"), ("no-such-compiler", "fail")])
def test_compiling_on_a_cpu(doctor: Doctor, compiler: str, status: str) -> None:
    from torch._inductor import config

    if status == "warn" and shutil.which(compiler) is None:
        pytest.skip("takes g++, and there is none")
    with config.patch({"cpp.cxx": (None, compiler)}):
        code, found = doctor("--device", "cpu", "--compile", "default")
    assert code == (status == "fail")
    assert found["device compiling"]["status"] == status
    assert "device compiling" not in doctor("--device", "cpu")[1]


def test_folders_that_cannot_be_used(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DAGFUSION_OUTPUT", str(tmp_path / "file" / "output"))
    monkeypatch.setenv("DAGFUSION_BLOBS", str(tmp_path / "file"))
    code, found = doctor("--models", "nowhere")
    assert code == 1
    assert found["storage blobs"]["status"] == "fail"
    assert found["storage output"]["status"] == "fail"
    assert "DAGFUSION_OUTPUT" in found["storage output"]["remedy"]
    assert found["storage models"]["value"] == "nowhere is not there"


def test_data_that_every_user_can_read(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        data = Path(place, "data")
        monkeypatch.setenv("DAGFUSION_DATA", str(data))
        Store(read_settings({}).database).close()
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert "storage privacy" not in doctor("--device", "cpu")[1]
        data.chmod(0o755)
        Store(read_settings({}).database).close()
        assert stat.S_IMODE(data.stat().st_mode) == 0o755, "it is left as it is"
        found = doctor("--device", "cpu")[1]["storage privacy"]
        assert found["status"] == "warn" and str(data) in found["value"]
        Path(place).chmod(0o700)
        assert "storage privacy" not in doctor("--device", "cpu")[1], "nobody else comes so far"


def test_models_against_a_manifest(doctor: Doctor, tmp_path: Path) -> None:
    body = weights()
    entries = [entry(f"{name}.safetensors", body, {"civitai": 1}) for name in ("here", "cut", "lacking")]
    path = write_manifest(tmp_path / "models.yaml", *entries)
    (tmp_path / "models/checkpoints/here.safetensors").write_bytes(body)
    (tmp_path / "models/checkpoints/cut.safetensors").write_bytes(body[:-1])
    for arguments in ((), ("--manifest", path)):
        code, found = doctor(*arguments)
        assert code == 1
        assert "1 of 3 files here" in found["models manifest"]["value"]
        assert found["models checkpoints/cut.safetensors"]["value"] == "size_wrong"
        assert found["models checkpoints/cut.safetensors"]["remedy"] == "dagfusion models pull --replace"
        assert found["models checkpoints/lacking.safetensors"]["value"] == "missing"
        assert "models checkpoints/here.safetensors" not in found
    path.write_text("models: 3")
    code, found = doctor()
    assert code == 1
    assert found["models manifest"]["status"] == "fail"


def test_a_database_that_does_not_answer(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGFUSION_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:9/queue")
    code, found = doctor()
    assert code == 1
    assert found["storage database"]["status"] == "fail"
    assert "127.0.0.1" in found["storage database"]["value"]
    assert "hunter2" not in json.dumps(found)
    monkeypatch.setenv("DAGFUSION_DATABASE_URL", "mysql://me:hunter2@127.0.0.1/queue")
    code, found = doctor()
    assert code == 1
    assert "hunter2" not in json.dumps(found)


def test_a_database_that_answers(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> None:
    monkeypatch.setenv("DAGFUSION_DATABASE_URL", postgres_url)
    code, found = doctor("--device", "cpu")
    assert code == 0
    assert "PostgreSQL" in found["storage database"]["value"]


def test_kernels_that_do_not_load(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fakes/sageattention").mkdir(parents=True)
    (tmp_path / "fakes/sageattention/__init__.py").write_text("raise ImportError('undefined symbol: _ZN3c10')")
    (tmp_path / "fakes/xformers.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path / "fakes")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("sageattention", "xformers")]:
        monkeypatch.delitem(sys.modules, name)
    code, found = doctor()
    assert code == 0
    assert found["attention sageattention"]["status"] == "warn"
    assert "undefined symbol" in found["attention sageattention"]["value"]
    assert found["attention xformers"]["value"] == "of unknown version"
    assert found["attention flash-attn"]["value"] == "not installed (optional)"


def test_a_library_of_another_version(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fakes/diffusers-0.1.dist-info").mkdir(parents=True)
    (tmp_path / "fakes/diffusers-0.1.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: diffusers\nVersion: 0.1\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "fakes")
    code, found = doctor()
    assert code == 1
    assert "not as required: diffusers 0.1 (" in found["software libraries"]["value"]


def test_an_ffmpeg_without_a_codec(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(software.CODECS, "libnothing", "films of nothing")
    code, found = doctor()
    assert code == 0
    assert "lacks libnothing for films of nothing" in found["software codecs"]["value"]


def test_what_breaks_an_examination_is_a_finding(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "SHOWN", ("no-such-distribution",))
    code, found = doctor()
    assert code == 1
    assert "PackageNotFoundError" in found["software software"]["value"]
    assert "models manifest" in found  # what comes after it is examined


@pytest.mark.parametrize(
    ("known", "gpu", "runs"),
    [
        (["sm_80", "sm_90"], (8, 9), True),  # binary code runs on later GPUs of its generation
        (["sm_90"], (8, 9), False),
        (["sm_80"], (9, 0), False),
        (["sm_80", "compute_80"], (12, 0), True),  # PTX is compiled for later ones
        (["sm_75", "sm_100", "sm_120"], (10, 3), True),
        (["sm_75", "sm_80", "sm_120"], (7, 0), False),
        (["sm_90a"], (9, 0), True),
    ],
)
def test_which_gpus_a_build_of_torch_runs_on(known: list[str], gpu: tuple[int, int], runs: bool) -> None:
    assert _runs_on(known, *gpu) is runs
