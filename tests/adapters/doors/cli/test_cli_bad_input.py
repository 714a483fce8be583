"""Each bad workflow gives one clear error, the right exit code, no traceback, and nothing half-written."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.conftest import Dagfusion

GRAPH = Path(__file__).parents[4] / "graphs" / "text_to_image.json"


@pytest.fixture
def graph() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(GRAPH.read_text())
    document["1"]["inputs"]["ckpt_name"] = "tiny_sd15.safetensors"
    return document


def changed(graph: dict[str, Any], node: str, **inputs: Any) -> dict[str, Any]:
    document = copy.deepcopy(graph)
    document[node]["inputs"].update(inputs)
    return document


BAD = {
    "unknown class": (lambda g: g | {"9": {"class_type": "KSamplr", "inputs": {}}}, ["KSamplr", "KSampler"]),
    "class of a pack": (lambda g: g | {"9": {"class_type": "FaceDetailer", "inputs": {}}}, ["Impact-Pack"]),
    "cycle": (lambda g: changed(g, "6", samples=["6", 0]), ["cycle"]),
    "wrong type": (lambda g: changed(g, "6", vae=["4", 0]), ["VAE", "LATENT", "'vae'"]),
    "out of range": (lambda g: changed(g, "5", steps=0), ["steps", "1"]),
    "not in list": (lambda g: changed(g, "5", sampler_name="eulr"), ["eulr", "'euler'"]),
    "missing model": (lambda g: changed(g, "1", ckpt_name="tiny_sd.safetensors"), ["tiny_sd15.safetensors"]),
    "dangling link": (lambda g: changed(g, "5", positive=["77", 0]), ["77", "'positive'"]),
    "no such slot": (lambda g: changed(g, "6", vae=["1", 7]), ["7", "'vae'"]),
    "missing input": (lambda g: {**g, "6": {"class_type": "VAEDecode", "inputs": {"vae": ["1", 2]}}}, ["'samples'"]),
    "no output": (lambda g: {k: v for k, v in g.items() if k != "7"}, ["output"]),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_workflow_that_cannot_run_is_refused(
    dagfusion: Dagfusion, graph: dict[str, Any], tmp_path: Path, models_dir: Path, kind: str
) -> None:
    change, mentioned = BAD[kind]
    (tmp_path / "bad.json").write_text(json.dumps(change(graph)))
    process = dagfusion("run", "bad.json", "--models", models_dir, "--out", "results")
    assert process.returncode == 2, process.stderr
    for text in mentioned:
        assert text in process.stderr
    assert "Traceback" not in process.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.json"]
    checked = dagfusion("check", "bad.json", "--models", models_dir, "--json")
    assert checked.returncode == 1
    assert json.loads(checked.stdout)["problems"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "[1, 2]",
        "{}",
        "null",
        '{"1": 5}',
        '{"1": {"class_type": "VAEDecode", "inputs": {}}, "1": {"class_type": "VAEDecode", "inputs": {}}}',
        "[" * 5000 + "]" * 5000,
        '{"1": ' * 2000 + "1" + "}" * 2000,
        '{"1": {"class_type": "KSampler", "inputs": {"cfg": NaN}}}',
        '{"1": {"class_type": "KSampler", "inputs": {"cfg": Infinity}}}',
        "\ud83d",
    ],
    ids=[
        "empty",
        "text",
        "array",
        "list",
        "object",
        "null",
        "number",
        "duplicate",
        "deep",
        "deeper",
        "nan",
        "inf",
        "half",
    ],
)
def test_a_document_that_is_no_workflow_is_refused(dagfusion: Dagfusion, tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    process = dagfusion("run", "bad.json")
    assert process.returncode == 2, process.stderr
    assert process.stderr.startswith("error: ")
    assert "Traceback" not in process.stderr


def test_a_huge_file_and_a_missing_one_are_refused(dagfusion: Dagfusion, tmp_path: Path) -> None:
    (tmp_path / "huge.json").write_bytes(b" " * 50_000_000)
    for name in ("huge.json", "nowhere.json", "."):
        process = dagfusion("check", name)
        assert process.returncode == 2, process.stderr
        assert len(process.stderr.strip().splitlines()) == 1


def test_errors_for_machines_are_json(dagfusion: Dagfusion, graph: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps(changed(graph, "5", steps=0)))
    process = dagfusion("run", "bad.json", "--json")
    assert process.returncode == 2
    document = json.loads(process.stdout)
    assert document["error"] == "GraphInvalid"
    assert {p["code"] for p in document["problems"]} >= {"value_smaller_than_min"}


def test_an_override_of_nothing_names_the_candidates(dagfusion: Dagfusion, tmp_path: Path) -> None:
    process = dagfusion("check", GRAPH, "--set", "Sampler.stepz=3")
    assert process.returncode == 2
    assert "steps" in process.stderr


@pytest.mark.parametrize("broken", ["empty", "text", "zip", "pickle", "truncated"])
def test_a_broken_model_file_fails_the_run_with_its_name(
    dagfusion: Dagfusion, graph: dict[str, Any], tmp_path: Path, models_dir: Path, broken: str
) -> None:
    whole = (models_dir / "checkpoints" / "tiny_sd15.safetensors").read_bytes()
    contents = {
        "empty": b"",
        "text": b"not a model at all",
        "zip": b"PK\x03\x04pickle",
        "pickle": b"\x80\x04pickle",
        "truncated": whole[: len(whole) // 2],
    }
    (tmp_path / "models" / "checkpoints").mkdir(parents=True)
    (tmp_path / "models" / "checkpoints" / "broken.safetensors").write_bytes(contents[broken])
    (tmp_path / "bad.json").write_text(json.dumps(changed(graph, "1", ckpt_name="broken.safetensors")))
    process = dagfusion("run", "bad.json", "--models", "models", "--out", "results")
    assert process.returncode == 1, process.stderr
    assert len(process.stderr.strip().splitlines()) == 1
    assert "node 1 (CheckpointLoaderSimple), input 'ckpt_name': model file 'broken.safetensors'" in process.stderr
    assert not (tmp_path / "results").exists()


def test_check_tells_what_no_node_may_take_of_memory(dagfusion: Dagfusion, tmp_path: Path) -> None:
    picture = {"class_type": "EmptyImage", "inputs": {"width": 16384, "height": 16384, "batch_size": 4096, "color": 0}}
    prompt = {"1": picture, "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}}}
    (tmp_path / "large.json").write_text(json.dumps(prompt))
    for command in ("check", "run"):
        process = dagfusion(command, "large.json")
        assert process.returncode != 0
        told = process.stdout + process.stderr
        assert "node 1 (EmptyImage)" in told and "12288.0 GiB of memory" in told
        assert "DAGFUSION_MAX_MEMORY_MIB" in told
