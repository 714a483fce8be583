"""Attention kernels and compiling as settings and options: what the engine gets, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.doors.cli.app import app
from adapters.host.loading import load_engine, load_folders, load_registry
from adapters.host.settings import Settings, environment_passed_on, read_settings
from engine.computing import Computing
from engine.engine import Engine
from engine.errors import DagfusionError

GRAPH = Path(__file__).parents[2] / "graphs" / "text_to_image.json"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("DAGFUSION_", "TORCHINDUCTOR_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # so that what is set below is taken back
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setenv("DAGFUSION_COMPILED", str(tmp_path / "compiled"))
    monkeypatch.setenv("DAGFUSION_DISK_CACHE_MIB", "0")
    monkeypatch.setenv("DAGFUSION_FINGERPRINTS", str(tmp_path / "fingerprints.json"))
    monkeypatch.chdir(tmp_path)


def loaded(settings: Settings) -> Engine:
    return load_engine(settings, load_registry(settings), load_folders(settings))


def test_the_engine_computes_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(read_settings({"device": "cpu"})).models.computing == Computing("auto", "off")
    monkeypatch.setenv("DAGFUSION_ATTENTION", "sage")
    with pytest.raises(DagfusionError, match="SageAttention needs an NVIDIA GPU"):
        loaded(read_settings({"device": "cpu"}))
    settings = read_settings({"device": "cpu", "attention": "sdpa"})  # options win
    assert loaded(settings).models.computing == Computing("sdpa", "off")
    monkeypatch.setenv("DAGFUSION_STEP_NOISE", "cpu-0.3")
    settings = read_settings({"device": "cpu", "attention": "sdpa"})
    assert loaded(settings).models.computing == Computing("sdpa", "off", "cpu-0.3")


def test_compiled_code_is_kept_where_the_settings_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded(read_settings({"device": "cpu"}))
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "compiled")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/elsewhere")
    loaded(read_settings({"device": "cpu"}))
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/elsewhere"
    assert "DAGFUSION_COMPILED" not in environment_passed_on()  # a place of this machine


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--attention", "sage"), "SageAttention needs an NVIDIA GPU, and networks run on 'cpu'"),
        (("--attention", "flash"), "Input should be 'auto', 'sdpa' or 'sage'"),
        (("--compile", "fast"), "Input should be 'off', 'default' or 'reduce-overhead'"),
    ],
)
def test_what_cannot_be_is_one_error(options: tuple[str, str], said: str) -> None:
    result = CliRunner().invoke(app, ["run", str(GRAPH), "--device", "cpu", *options])
    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_the_services_commands_have_the_options(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--attention", "flash", "--compile", "fast"])
    assert result.exit_code == 1
    for name in ("attention", "compile"):
        assert f"{name}: Input should be" in " ".join(result.stderr.split())
