"""Checking without running: all problems, what memory it takes, and no workflow that brings the service down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.mutate import bodies, mutated
from tests.adapters.doors.http.serving import PICTURE, Web, serving

GRAPHS = Path(__file__).parents[5] / "graphs"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("check")) as running:
        yield running


@pytest.fixture(scope="module")
def client(web: Web) -> Iterator[httpx.Client]:
    with web.client() as opened:
        yield opened


def test_a_sound_workflow_is_said_to_be_one(client: httpx.Client) -> None:
    graph = json.loads((GRAPHS / "text_to_image.json").read_text())
    found = client.post("/v1/check", json={"workflow": graph}).json()
    assert found["valid"] and found["problems"] == [] and found["outputs"] == ["7"]
    assert found["workflow"].keys() == graph.keys()
    (model,) = found["memory"]["models"]
    assert (model["kind"], model["name"]) == ("checkpoints", "tiny.safetensors")
    assert found["memory"]["weights_bytes"] == model["size_bytes"] > 1_000_000
    assert found["memory"]["total_bytes"] == model["size_bytes"] + found["memory"]["work_bytes"]
    larger = client.post("/v1/check", json={"workflow": graph, "overrides": {"Size.width": 1024}}).json()
    assert larger["memory"]["work_bytes"] == 8 * found["memory"]["work_bytes"]


def test_all_problems_are_found_at_once(client: httpx.Client) -> None:
    graph = json.loads((GRAPHS / "text_to_image.json").read_text())
    graph["1"]["inputs"]["ckpt_name"] = "none.safetensors"
    graph["5"]["inputs"] |= {"sampler_name": "eulr", "steps": 0}
    graph["9"] = {"class_type": "FaceDetailer", "inputs": {}}
    reply = client.post("/v1/check", json={"workflow": graph})
    assert reply.status_code == 200
    found = {(one["node_id"], one["input"]): one for one in reply.json()["problems"]}
    assert not reply.json()["valid"] and reply.json()["outputs"] == []
    assert found["5", "sampler_name"]["code"] == "value_not_in_list" and "euler" in found["5", "sampler_name"]["remedy"]
    assert found["5", "steps"]["code"] == "value_smaller_than_min"
    assert ("1", "ckpt_name") in found and ("9", None) in found


def test_no_path_of_this_machine_is_told(tmp_path: Path) -> None:
    for kind in ("checkpoints", "loras"):
        (tmp_path / "models" / kind).mkdir(parents=True)
    graph = json.loads((GRAPHS / "text_to_image.json").read_text())
    graph["1"]["inputs"]["ckpt_name"] = "nothing like it.safetensors"
    graph["9"] = {"class_type": "LoraLoader", "inputs": {"model": ["1", 0], "clip": ["1", 1], "lora_name": "x"}}
    graph["5"]["inputs"]["model"] = ["9", 0]
    with serving(tmp_path / "service", models=str(tmp_path / "models")) as web, web.client() as client:
        reply = client.post("/v1/check", json={"workflow": graph})
    remedies = {one["input"]: one["remedy"] for one in reply.json()["problems"]}
    assert remedies == {"ckpt_name": "put it into checkpoints", "lora_name": "put it into loras"}
    assert str(tmp_path) not in reply.text


def test_what_is_no_graph_has_problems_or_is_refused(client: httpx.Client) -> None:
    broken = client.post("/v1/check", json={"workflow": {"1": {"class_type": 5}, "2": {"class_type": "SaveImage"}}})
    assert broken.status_code == 200 and not broken.json()["valid"]
    assert client.post("/v1/check", json={"workflow": {"a": 1}}).status_code == 422
    wrong = client.post("/v1/check", json={"workflow": PICTURE, "overrides": {"nothing.x": 1}})
    assert wrong.json()["problems"][0]["code"] == "invalid_override"


def test_it_takes_a_file(client: httpx.Client) -> None:
    reply = client.post("/v1/check", files={"workflow": ("w.json", json.dumps(PICTURE), "application/json")})
    assert reply.json()["valid"]


def test_a_graph_of_very_many_nodes_is_checked(client: httpx.Client) -> None:
    chain: dict[str, Any] = {"0": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "color": 0}}}
    chain["0"]["inputs"]["batch_size"] = 1
    for number in range(1, 5000):
        chain[str(number)] = {"class_type": "ImageInvert", "inputs": {"image": [str(number - 1), 0]}}
    chain["end"] = {"class_type": "PreviewImage", "inputs": {"images": ["4999", 0]}}
    assert client.post("/v1/check", json={"workflow": chain}).json()["valid"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=mutated())
def test_no_mutated_workflow_brings_it_down(client: httpx.Client, document: Any) -> None:
    reply = client.post("/v1/check", content=json.dumps({"workflow": document}), headers=_JSON)
    assert reply.status_code in (200, 422), reply.text


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.one_of(bodies(), st.binary(max_size=200)))
def test_no_body_brings_it_down(client: httpx.Client, body: bytes) -> None:
    for path in ("/v1/check", "/prompt"):
        reply = client.post(path, content=body, headers=_JSON)
        assert reply.status_code < 500, (path, reply.text)


_JSON = {"Content-Type": "application/json"}


def test_what_no_worker_could_make_is_a_problem(web: Web) -> None:
    size = {"width": 4096, "height": 4096, "batch_size": 4, "color": 0}  # 768 MiB
    workflow = {"1": {"class_type": "EmptyImage", "inputs": size}, "2": PICTURE["2"]}
    store = web.services.store
    for name, most in (("small", 500), ("large", 600)):
        store.workers.register(name, "host", 1, {})
        store.workers.beat(name, "ready", {"most_memory_bytes": most * 2**20})
    with web.client() as client:
        (problem,) = client.post("/v1/check", json={"workflow": workflow}).json()["problems"]
        assert (problem["node_id"], problem["code"]) == ("1", "custom_validation_failed")
        assert "768.0 MiB of memory at once, and a node may take 600.0 MiB" in problem["message"]
        store.workers.beat("large", "ready", {"most_memory_bytes": 800 * 2**20})
        assert client.post("/v1/check", json={"workflow": workflow}).json()["valid"]
    for name in ("small", "large"):
        store.workers.remove(name)


@pytest.mark.parametrize("prefix", ["../x", "a/../../x", "/etc/x", "C:\\x", "%EmptyImage.color%/../../x"])
def test_a_name_that_leaves_the_output_folder_is_a_problem(client: httpx.Client, prefix: str) -> None:
    saving = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}}
    found = client.post("/v1/check", json={"workflow": {"1": PICTURE["1"], "2": saving}}).json()
    (problem,) = found["problems"]
    assert (problem["node_id"], problem["input"]) == ("2", "filename_prefix")
    assert not found["valid"] and "folder" in problem["message"]
    saving["inputs"]["filename_prefix"] = "a/%date:yyyy%/../b"
    assert client.post("/v1/check", json={"workflow": {"1": PICTURE["1"], "2": saving}}).json()["valid"]
