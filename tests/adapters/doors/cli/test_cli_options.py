"""What a command line says of settings reaches the settings, each in its own type; what it leaves out stays open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.doors.cli.app import app
from adapters.doors.cli.options import WORKER
from adapters.host.settings import Settings

GIVEN: dict[str, tuple[list[str], Any]] = {
    "warm": (["a.safetensors", "b.json"], ["a.safetensors", "b.json"]),
    "concurrency": (["3"], 3),
    "together": (["auto"], "auto"),
    "models": (["one", "two"], [Path("one"), Path("two")]),
    "extra_model_paths": (["extra.yaml"], Path("extra.yaml")),
    "nodes": (["mine"], [Path("mine")]),
    "packs": (["packs"], [Path("packs")]),
    "input": (["in"], Path("in")),
    "output": (["out"], Path("out")),
    "data": (["data"], Path("data")),
    "device": (["cpu"], "cpu"),
    "precision": (["bfloat16"], "bfloat16"),
    "attention": (["sdpa"], "sdpa"),
    "compile": (["default"], "default"),
    "disk_cache_mib": (["7"], 7),
    "log_format": (["json"], "json"),
}


def _flag(name: str) -> str:
    return "--out" if name == "output" else f"--{name.replace('_', '-')}"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What workers are started with."""
    seen: list[Settings] = []
    monkeypatch.setattr("adapters.run.worker.process.run_worker", lambda settings, _id, **_: seen.append(settings))
    return seen


def test_every_option_of_a_worker_reaches_the_settings(read: list[Settings]) -> None:
    assert set(GIVEN) == set(WORKER)
    arguments = [part for name, (texts, _) in GIVEN.items() for text in texts for part in (_flag(name), text)]
    done = CliRunner().invoke(app, ["worker", *arguments])
    assert done.exit_code == 0, done.output
    assert {name: getattr(read[0], name) for name in WORKER} == {name: value for name, (_, value) in GIVEN.items()}


def test_what_is_not_given_is_left_to_the_environment(read: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGFUSION_CONCURRENCY", "5")
    assert CliRunner().invoke(app, ["worker", "--together", "2"]).exit_code == 0
    assert (read[0].concurrency, read[0].together) == (5, 2)
    assert read[0].models == Settings().models


@pytest.mark.parametrize("wrong", [("--log-format", "xml"), ("--together", "some"), ("--disk-cache-mib", "-1")])
def test_a_value_that_is_no_setting_is_refused_by_its_name(wrong: tuple[str, str], read: list[Settings]) -> None:
    done = CliRunner().invoke(app, ["worker", *wrong])
    assert done.exit_code
    assert wrong[0].strip("-").replace("-", "_") in done.output
    assert not read
