"""The example workflows that come with the program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.adapters.doors.http.serving import Web, serving

GRAPHS = Path(__file__).parents[5] / "graphs"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("graphs")) as running:
        yield running


@pytest.fixture
def client(web: Web) -> Iterator[httpx.Client]:
    with web.client() as opened:
        yield opened


def test_all_of_them_are_told_and_which_run_here(client: httpx.Client) -> None:
    found = {one["name"]: one for one in client.get("/v1/graphs").json()}
    assert found.keys() == {path.stem for path in GRAPHS.glob("*.json")}
    assert next(iter(found)) == "text_to_image" and all(one["description"] for one in found.values())
    runs = {name for name, one in found.items() if one["runs"]}
    assert runs == {path.stem for path in GRAPHS.glob("*.json") if _is_embedded(path)}


def _is_embedded(graph: Path) -> bool:
    """Whether all model files that it names come with the program."""
    nodes = json.loads(graph.read_text()).values()
    values = [value for node in nodes for value in node["inputs"].values() if isinstance(value, str)]
    return all(value.startswith("tiny") for value in values if value.endswith((".safetensors", ".gguf", ".pth")))


def test_each_is_a_submission(client: httpx.Client) -> None:
    for one in client.get("/v1/graphs").json():
        if one["runs"]:
            submission = client.get(f"/v1/graphs/{one['name']}").json()
            reply = client.post("/v1/jobs", json=submission)
            assert reply.status_code == 202, (one["name"], reply.text)
            assert reply.json()["notes"] == []
            client.delete(f"/v1/jobs/{reply.json()['id']}")


@pytest.mark.parametrize("name", ["nothing", "..%2FREADME", "input%2Fexample"])
def test_there_are_no_others(client: httpx.Client, name: str) -> None:
    assert client.get(f"/v1/graphs/{name}").status_code == 404
