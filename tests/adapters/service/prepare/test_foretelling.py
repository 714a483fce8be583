"""What files, sizes and names tell is told before a job is queued, by every door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.host.settings import EMBEDDED_MODELS, Settings
from adapters.service.blobs.store import BlobStore
from adapters.service.prepare.foretelling import Bounds
from adapters.service.prepare.preparing import Preparation
from engine.folders import Folders, model_folders
from engine.limits import Limits
from nodes import builtin_registry
from tests.adapters.doors.http.serving import serving

REGISTRY = builtin_registry()
Graph = dict[str, dict[str, Any]]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for kind in ("checkpoints", "annotators", "vae"):
        (tmp_path / "models" / kind).mkdir(parents=True)
    (tmp_path / "models" / "checkpoints" / "page.safetensors").write_bytes(b"<html>")
    own = {name: tmp_path / name for name in ("input", "output", "temp")}
    return Folders(models=model_folders([tmp_path / "models", EMBEDDED_MODELS]), **own)


def told(graph: Graph, folders: Folders, limits: Limits | None = None) -> tuple[list[tuple[str, str]], list[str]]:
    """Node and input of every problem; the outputs that can run."""
    bounds = Bounds.of(Settings(), None if limits is None else lambda: limits)
    blobs = BlobStore(str(folders.output / "blobs"))
    checked = Preparation(REGISTRY, folders, blobs, bounds).prepare(graph).checked
    return [(problem.node_id or "", problem.input or "") for problem in checked.problems], list(checked.outputs)


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def drawn(width: int = 64, **checkpoint: Any) -> Graph:
    """A picture of a checkpoint."""
    sampled = {"seed": 1, "steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    linked = {"model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0]}
    return {
        "1": node("CheckpointLoaderSimple", **{"ckpt_name": "tiny.safetensors", **checkpoint}),
        "2": node("CLIPTextEncode", text="a", clip=["1", 1]),
        "3": node("EmptyLatentImage", width=width, height=width, batch_size=1),
        "4": node("KSampler", **sampled, **linked),
        "5": node("VAEDecode", samples=["4", 0], vae=["1", 2]),
        "6": node("SaveImage", images=["5", 0], filename_prefix="a"),
    }


def other() -> Graph:
    """A picture that has nothing to do with it."""
    return {
        "7": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
        "8": node("SaveImage", images=["7", 0], filename_prefix="other"),
    }


def test_a_sound_workflow_has_no_problem(folders: Folders) -> None:
    assert told(drawn() | other(), folders) == ([], ["6", "8"])


def test_a_file_that_no_loader_takes(folders: Folders) -> None:
    assert told(drawn(ckpt_name="page.safetensors") | other(), folders) == ([("1", "ckpt_name")], ["8"])


def test_a_file_that_was_replaced_is_read_again(folders: Folders) -> None:
    graph, path = drawn(ckpt_name="page.safetensors"), folders.find("checkpoints", "page.safetensors")
    assert told(graph, folders)[1] == []
    path.write_bytes(folders.find("checkpoints", "tiny.safetensors").read_bytes())
    assert told(graph, folders) == ([], ["6"])


def test_a_prefix_that_leaves_its_folder(folders: Folders) -> None:
    graph = drawn() | other()
    graph["8"]["inputs"]["filename_prefix"] = "../../x"
    assert told(graph, folders) == ([("8", "filename_prefix")], ["6"])


def test_a_preprocessor_without_its_files(folders: Folders) -> None:
    graph = other() | {
        "9": node("AIO_Preprocessor", image=["7", 0], preprocessor="OpenposePreprocessor", resolution=64),
        "10": node("PreviewImage", images=["9", 0]),
    }
    problems, outputs = told(graph, folders)
    assert (problems, outputs) == ([("9", "preprocessor")] * 3, ["8"])
    for name in ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth"):
        (folders.models["annotators"][0] / name).write_bytes(b"x")
    assert told(graph, folders) == ([], ["8", "10"])
    graph["9"]["inputs"]["preprocessor"] = "CannyEdgePreprocessor"
    assert told(graph, folders)[0] == []


@pytest.mark.parametrize("decoder", ["VAEDecode", "VAEDecodeTiled"])
def test_pictures_that_are_too_large_to_be_decoded(folders: Folders, decoder: str) -> None:
    """The latent is a sixteenth of it, and fits."""
    graph = drawn(16384)
    graph["5"]["class_type"] = decoder
    if decoder == "VAEDecodeTiled":
        graph["5"]["inputs"] |= {"tile_size": 512, "overlap": 64, "temporal_size": 64, "temporal_overlap": 8}
    least = 2 * 16384**2 * 3 * 4
    assert told(graph, folders, Limits(memory_bytes=least - 1)) == ([("5", "")], [])
    assert told(graph, folders, Limits(memory_bytes=least)) == ([], ["6"])


def test_what_is_wrong_behind_a_cut_link_is_told_too(folders: Folders) -> None:
    graph = drawn(ckpt_name="page.safetensors")
    graph["4"]["inputs"] |= {"sampler_name": "eulr", "steps": "many"}
    graph["3"]["inputs"]["width"] = -8
    graph["5"]["inputs"]["samples"] = ["99", 0]
    problems, outputs = told(graph, folders)
    assert set(problems) == {
        ("1", "ckpt_name"),
        ("3", "width"),
        ("4", "sampler_name"),
        ("4", "steps"),
        ("5", "samples"),
    }
    assert outputs == []


def test_nodes_that_nobody_wants_are_not_looked_at_for_it(folders: Folders) -> None:
    graph = drawn() | {"20": node("EmptyImage", width=-1, height=8, batch_size=1, color=0)}
    assert told(graph, folders) == ([], ["6"])
    graph["5"]["inputs"]["samples"] = ["99", 0]  # what lacks is no picture
    assert told(graph, folders) == ([("5", "samples")], [])


def test_submissions_are_refused_and_nothing_is_queued(tmp_path: Path) -> None:
    (tmp_path / "models" / "checkpoints").mkdir(parents=True)
    (tmp_path / "models" / "checkpoints" / "page.safetensors").write_bytes(b"<html>")
    graph = drawn(ckpt_name="page.safetensors")
    with serving(tmp_path, models=[tmp_path / "models"]) as web:
        native = httpx.post(f"{web.url}/v1/jobs", json={"workflow": graph})
        assert native.status_code == 422, native.text
        assert [problem["node_id"] for problem in native.json()["problems"]] == ["1"]
        picture = {"prompt": "a", "model": "page.safetensors"}
        generated = httpx.post(f"{web.url}/v1/generate", json=picture)
        assert generated.status_code == 422, generated.text
        comfy = httpx.post(f"{web.url}/prompt", json={"prompt": graph})
        assert (comfy.status_code, list(comfy.json()["node_errors"])) == (400, ["1"])
        assert web.services.store.jobs.find() == []
        partly = httpx.post(f"{web.url}/prompt", json={"prompt": graph | other()})
        assert (partly.status_code, list(partly.json()["node_errors"])) == (200, ["1"])
        assert [job.targets for job in web.services.store.jobs.find()] == [("8",)]
