"""``dagfusion packs``, and ``--packs`` where workflows run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.doors.cli.app import app

CUSTOM_NODES = Path(__file__).parents[3] / "nodes/packs/custom_nodes"
PROMPT = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255}},
    "2": {
        "class_type": "Schema Graded",
        "inputs": {"image": ["1", 0], "gain": 0.5, "mode": "all", "limit": "none"},
    },
    "3": {"class_type": "Plain Kept", "inputs": {"images": ["2", 0], "filename_prefix": "p"}},
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def call(kept: str, tmp_path: Path) -> CliRunner:
    return CliRunner(env={"DAGFUSION_PACKS_KEPT": kept, "DAGFUSION_OUTPUT": str(tmp_path / "output")})


def test_packs_are_listed(call: CliRunner) -> None:
    done = call.invoke(app, ["packs", "list", "--packs", str(CUSTOM_NODES), "--json"])
    assert done.exit_code == 0, done.output
    found = {one["name"]: len(one["classes"]) for one in json.loads(done.stdout)}
    assert found == {"plain": 20, "schema": 3}
    none = call.invoke(app, ["packs", "list"])
    assert none.exit_code != 0
    assert "--packs or DAGFUSION_PACKS" in none.output


def test_one_is_examined(call: CliRunner, tmp_path: Path) -> None:
    done = call.invoke(app, ["packs", "check", str(CUSTOM_NODES / "plain")])
    assert done.exit_code == 0, done.output
    assert "Plain Unreadable: RuntimeError: no file to list" in done.stdout
    assert "comfy.ldm.modules.attention.SpatialTransformer" in done.stdout
    (tmp_path / "broken.py").write_text("raise RuntimeError('no')")
    broken = call.invoke(app, ["packs", "check", str(tmp_path / "broken.py")])
    assert broken.exit_code == 1
    assert "left out: RuntimeError: no" in broken.stdout
    assert "is no pack" in call.invoke(app, ["packs", "check", str(tmp_path)]).output


def test_where_a_class_is_or_why_it_is_not(call: CliRunner) -> None:
    def why(name: str) -> str:
        return call.invoke(app, ["packs", "why", name, "--packs", str(CUSTOM_NODES)]).output

    assert "Plain Invert is of the pack plain, and is here" in why("Plain Invert")
    assert "cannot be read: RuntimeError: no file to list" in why("Plain Unreadable")
    assert "known to be of the pack" in why("VHS_VideoCombine")


def test_a_workflow_of_packs_runs(call: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "prompt.json"
    file.write_text(json.dumps(PROMPT))
    unknown = call.invoke(app, ["check", str(file)])
    assert "there is no node class 'Schema Graded'" in unknown.output
    checked = call.invoke(app, ["check", str(file), "--packs", str(CUSTOM_NODES)])
    assert checked.exit_code == 0, checked.output
    done = call.invoke(app, ["run", str(file), "--packs", str(CUSTOM_NODES)])
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["p_kept_00001_.png"]
