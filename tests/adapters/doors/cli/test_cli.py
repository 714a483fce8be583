"""The main job from the command line, offline: run, check, nodes, models, convert, cancel."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.adapters.conftest import Dagfusion

GRAPH = Path(__file__).parents[4] / "graphs" / "text_to_image.json"
FAST = ("--set", "Sampler.steps=2", "--set", "EmptyLatentImage.width=64", "--set", "4.height=64")
COMPUTES = {"torch._C", "diffusers", "transformers", "numpy", "networkx", "scipy", "kornia", "PIL", "av", "safetensors"}
SERVES = {"fastapi", "starlette", "uvicorn", "sqlalchemy", "httpx"}
HEAVY = COMPUTES | SERVES


@pytest.fixture
def tiny(models_dir: Path) -> tuple[str, ...]:
    return ("--models", str(models_dir), "--set", "CheckpointLoaderSimple.ckpt_name=tiny_sd15.safetensors")


def test_run_writes_the_picture_with_its_workflow_inside(
    dagfusion: Dagfusion, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    process = dagfusion("run", GRAPH, *tiny, *FAST, "--seed", 7, "--out", "results")
    assert process.returncode == 0, process.stderr
    picture = Path(process.stdout.strip())
    assert (tmp_path / picture).samefile(tmp_path / "results" / "text_to_image_00001_.png")
    with Image.open(tmp_path / picture) as image:
        assert image.size == (64, 64)
        prompt = json.loads(image.text["prompt"])  # type: ignore[attr-defined]
    assert prompt["5"]["inputs"]["seed"] == 7
    assert "KSampler:" in process.stderr  # plain lines, since this is no terminal
    # The picture itself is a workflow.
    assert dagfusion("check", picture, *tiny[:2]).returncode == 0


def test_pictures_beside_a_workflow_are_found_from_anywhere(dagfusion: Dagfusion, tmp_path: Path) -> None:
    process = dagfusion("check", GRAPH.with_name("controlnet.json"))
    assert process.returncode == 0, process.stdout + process.stderr
    named = dagfusion("check", GRAPH.with_name("controlnet.json"), "--input", tmp_path)
    assert "example.png" in named.stdout
    assert named.returncode == 1


def test_json_events_are_numbered_and_end_with_the_outputs(dagfusion: Dagfusion, tiny: tuple[str, ...]) -> None:
    process = dagfusion("run", GRAPH, *tiny, *FAST, "--json")
    assert process.returncode == 0, process.stderr
    *events, outputs = map(json.loads, process.stdout.splitlines())
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["event"] == "RunStarted"
    assert events[-1]["event"] == "RunFinished"
    (saved,) = outputs["outputs"]["7"]["images"]
    assert Path(saved["path"]).name == saved["filename"]


def test_check_and_the_schemas_load_nothing_heavy() -> None:
    script = (
        "import sys\nfrom adapters.doors.cli.app import app\n"
        f"sys.argv = ['dagfusion', 'check', {str(GRAPH)!r}]\n"
        "try:\n    app()\nexcept SystemExit:\n    pass\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert process.stdout.splitlines()[-1] == "[]"


def test_nodes_lists_all_and_shows_one(dagfusion: Dagfusion, tmp_path: Path) -> None:
    listed = json.loads(dagfusion("nodes", "--json").stdout)
    assert len(listed) >= 180
    assert listed["KSampler"]["input"]["required"]["steps"][1]["default"] == 20
    shown = dagfusion("nodes", "KSampler")
    assert "sampler_name" in shown.stdout
    wrong = dagfusion("nodes", "KSamplr")
    assert wrong.returncode == 1
    assert "KSampler" in wrong.stderr


def test_models_lists_what_workflows_can_name(dagfusion: Dagfusion, models_dir: Path) -> None:
    listed = json.loads(dagfusion("models", "--models", models_dir, "--json").stdout)
    found = next(file for file in listed if file["name"] == "tiny_lora.safetensors")
    assert found["kind"] == "loras"
    assert Path(found["path"]).stat().st_size == found["size_bytes"]
    plain = dagfusion("models", "--models", models_dir).stdout.splitlines()
    assert "\t".join(["loras", "tiny_lora.safetensors", f"{found['size_bytes'] / 1e6:.1f}", found["path"]]) in plain


def test_convert_prints_api_form(dagfusion: Dagfusion, tmp_path: Path) -> None:
    node = {"id": 1, "type": "EmptyLatentImage", "mode": 0, "inputs": [], "outputs": [], "widgets_values": [64, 32, 2]}
    document = {"version": 0.4, "last_node_id": 1, "last_link_id": 0, "nodes": [node], "links": []}
    (tmp_path / "ui.json").write_text(json.dumps(document))
    process = dagfusion("convert", "ui.json")
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)["1"]["inputs"] == {"width": 64, "height": 32, "batch_size": 2}


def test_model_folders_from_an_extra_model_paths_file(dagfusion: Dagfusion, models_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "paths.yaml").write_text(f"mine:\n  base_path: {models_dir}\n  checkpoints: checkpoints\n")
    chosen = ("--set", "CheckpointLoaderSimple.ckpt_name=tiny_sd15.safetensors")
    assert dagfusion("check", GRAPH, *chosen).returncode == 1
    assert dagfusion("check", GRAPH, *chosen, "--extra-model-paths", "paths.yaml").returncode == 0


def test_a_workflow_from_standard_input(dagfusion: Dagfusion) -> None:
    process = dagfusion("check", "-", "--json", input=GRAPH.read_text())
    assert json.loads(process.stdout) == {"problems": [], "notes": []}


def test_only_what_a_chosen_node_needs_runs(dagfusion: Dagfusion, tiny: tuple[str, ...]) -> None:
    process = dagfusion("run", GRAPH, *tiny, *FAST, "--json", "--only", "EmptyLatentImage")
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout.splitlines()[0])["steps"] == ["4"]
    wrong = dagfusion("run", GRAPH, *tiny, "--only", "Sampeler")
    assert wrong.returncode == 2
    assert "did you mean 'Sampler'" in wrong.stderr


def test_the_version(dagfusion: Dagfusion) -> None:
    told = dagfusion("--version").stdout
    assert told.split()[0] == "dagfusion"
    assert "ComfyUI 0.33.0" in told


def test_a_terminal_shows_bars_with_rate_and_time_left(
    offline_environment: dict[str, str], tiny: tuple[str, ...], tmp_path: Path
) -> None:
    command = [Path(sys.executable).parent / "dagfusion", "run", GRAPH, *tiny, *FAST, "--set", "Sampler.steps=30"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        list(map(str, command)),
        env=offline_environment | {"TERM": "xterm", "COLUMNS": "120"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        # Linux ends a terminal that nobody writes to any more with an error.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 65536):
                shown += part
        assert process.stdout
        assert Path(process.stdout.read().decode().strip()).suffix == ".png"
    os.close(ours)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"KSampler .* 30/30 +[\d.]+ it/s +0:00:00", text)
    assert re.search(r"nodes .* 7/7 ", text)


def test_own_nodes_from_a_folder(dagfusion: Dagfusion, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "greet.py").write_text(
        "from typing import Annotated\n"
        "from engine.inputs import Text\n"
        "from engine.registry import node\n\n\n"
        "@node('Greet', category='mine', output_node=True)\n"
        "def greet(ctx, *, name: Annotated[str, Text()] = 'you') -> None:\n"
        "    ctx.show('text', f'hello {name}')\n"
    )
    (tmp_path / "greet.json").write_text('{"1": {"class_type": "Greet", "inputs": {}}}')
    process = dagfusion("run", "greet.json", "--nodes", "mine", "--set", "Greet.name=world")
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == "hello world"


def read_while_there_is_some(descriptor: int) -> bytes:
    """What lies in the pipe now."""
    read = b""
    while select.select([descriptor], [], [], 0)[0] and (part := os.read(descriptor, 65536)):
        read += part
    return read


def test_ctrl_c_cancels_within_a_step(
    offline_environment: dict[str, str], tiny: tuple[str, ...], tmp_path: Path
) -> None:
    command = [Path(sys.executable).parent / "dagfusion", "run", GRAPH, *tiny, "--set", "5.steps=10000", "--json"]
    with subprocess.Popen(
        list(map(str, command)), env=offline_environment, cwd=tmp_path, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdout
        while b'"NodeProgress"' not in process.stdout.readline():
            assert process.poll() is None
        # It stands still while what it has told is read: so it is known what comes after the signal.
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        before = read_while_there_is_some(process.stdout.fileno())
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        rest = (before.rpartition(b"\n")[2] + process.stdout.read()).splitlines()
    assert process.returncode == 130
    assert json.loads(rest[-1])["error"] == "Cancelled"
    assert sum(b'"NodeProgress"' in line for line in rest) <= 3
    assert not list(tmp_path.rglob("*.png"))


def test_check_can_take_files_for_present(dagfusion: Dagfusion, tmp_path: Path) -> None:
    document = json.loads(GRAPH.read_text())
    loader = next(node for node in document.values() if node["class_type"] == "CheckpointLoaderSimple")
    loader["inputs"]["ckpt_name"] = "nobody has this.safetensors"
    graph = tmp_path / "graph.json"
    graph.write_text(json.dumps(document))
    assert "nobody has this.safetensors" in dagfusion("check", graph).stdout
    assert "no problems" in dagfusion("check", graph, "--assume-files").stdout
    loader["inputs"]["ckpt_name"] = "../outside.safetensors"
    graph.write_text(json.dumps(document))
    assert "outside.safetensors" in dagfusion("check", graph, "--assume-files").stdout
