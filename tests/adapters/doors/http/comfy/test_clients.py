"""Clients that others wrote, as they come from PyPI, against the real service."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websocket
from comfy_api_simplified import ComfyApiWrapper, ComfyWorkflowWrapper
from comfy_api_simplified.exceptions import ComfyApiError
from PIL import Image

from tests.adapters.services import Service, picture_prompt, until

Comfy = Callable[..., "subprocess.CompletedProcess[str]"]
GRAPHS = Path(__file__).parents[5] / "graphs"
SCRIPT = """
import os, sys, time
from comfy_script.runtime import load, queue, Workflow
queue.queue_remaining = -1  # which it sets when its socket is open: it waits for ever for a job that ends before
load(sys.argv[1])
while queue.queue_remaining == -1:
    time.sleep(0.01)
from comfy_script.runtime.nodes import *

with Workflow(wait=True) as workflow:
    image = EmptyImage(24, 16, 2, 255)
    saved = SaveImage(ImageInvert(image), "scripted")
pictures = workflow.task.wait_result(saved).wait()
print("SIZES", [picture.size for picture in pictures], pictures[0].getpixel((0, 0)), flush=True)
os._exit(0)  # its watcher never ends
"""


def sampling_prompt() -> dict[str, Any]:
    """An example graph at the size and with the steps that cost least."""
    prompt: dict[str, Any] = json.loads((GRAPHS / "text_to_image.json").read_text())
    for node in prompt.values():
        if node["class_type"] == "EmptyLatentImage":
            node["inputs"].update(width=64, height=64)
        if node["class_type"] == "KSampler":
            node["inputs"]["steps"] = 2
    return prompt


@pytest.fixture
def simplified(service: Service) -> ComfyApiWrapper:
    return ComfyApiWrapper(service.url)


def test_comfy_api_simplified_samples_and_gets_its_picture(simplified: ComfyApiWrapper) -> None:
    workflow = ComfyWorkflowWrapper(sampling_prompt())
    title = next(node["_meta"]["title"] for node in workflow.values() if node["class_type"] == "SaveImage")
    made = simplified.queue_and_wait_images(workflow, title)
    assert [Image.open(io.BytesIO(data)).size for data in made.values()] == [(64, 64)]


def test_comfy_api_simplified_gets_pictures_through_the_socket(simplified: ComfyApiWrapper) -> None:
    prompt = picture_prompt(0x00FF00, node="SaveImageWebsocket")
    prompt["1"]["inputs"]["batch_size"] = 3
    prompt["1"]["_meta"], prompt["2"]["_meta"] = {"title": "In"}, {"title": "Out"}
    made = simplified.queue_and_wait_images(ComfyWorkflowWrapper(prompt), "Out")
    pictures = [Image.open(io.BytesIO(data)) for data in made.values()]
    assert [(picture.format, picture.size) for picture in pictures] == [("PNG", (16, 16))] * 3
    assert [picture.getpixel((3, 3)) for picture in pictures] == [(0, 255, 0)] * 3


def test_comfy_api_simplified_uploads_a_picture_and_uses_it(simplified: ComfyApiWrapper, tmp_path: Path) -> None:
    Image.new("RGB", (8, 4), (1, 2, 3)).save(tmp_path / "own.png")
    known = simplified.upload_image(tmp_path / "own.png", subfolder="simplified")
    assert known == {"name": "own.png", "subfolder": "simplified", "type": "input"}
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "simplified/own.png"}, "_meta": {"title": "In"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}, "_meta": {"title": "Out"}},
    }
    made = simplified.queue_and_wait_images(ComfyWorkflowWrapper(prompt), "Out")
    assert [Image.open(io.BytesIO(data)).getpixel((0, 0)) for data in made.values()] == [(1, 2, 3)]


def test_comfy_api_simplified_looks_around(simplified: ComfyApiWrapper) -> None:
    assert simplified.get_object_info("SaveImage")["SaveImage"]["output_node"] is True
    assert simplified.get_system_stats()["system"]["comfyui_version"] == "0.33.0"
    assert isinstance(simplified.get_embeddings(), list)
    assert set(simplified.get_queue()) == {"queue_running", "queue_pending"}
    simplified.interrupt()
    with pytest.raises(ComfyApiError, match="400"):
        simplified.queue_prompt({"1": {"class_type": "NoSuchNode", "inputs": {}}})


def test_comfy_script_loads_the_nodes_and_runs_a_script(service: Service, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", service.url],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "SIZES [(24, 16), (24, 16)] (255, 255, 0)" in done.stdout


@pytest.fixture
def comfy(service: Service, tmp_path: Path) -> Comfy:
    """Run ``comfy`` against the service, in a home of its own and without telemetry: the finished process."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = [str(Path(sys.executable).parent / "comfy"), "--skip-prompt", "--no-enable-telemetry"]
        home = {"HOME": str(tmp_path), "DO_NOT_TRACK": "1", "XDG_CONFIG_HOME": str(tmp_path / "config")}
        return subprocess.run(
            [*program, *arguments],
            cwd=tmp_path,
            env=os.environ | home | {"COMFY_LOCAL_URL": service.url},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture
def comfy_cli(comfy: Comfy, service: Service, tmp_path: Path) -> Any:
    """Run ``comfy run`` for a workflow."""

    def run(prompt: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "workflow.json").write_text(json.dumps(prompt))
        where = ["--host", "127.0.0.1", "--port", service.url.rpartition(":")[2]]
        return comfy("run", "--workflow", str(tmp_path / "workflow.json"), *where, *options)

    return run


def test_comfy_cli_waits_for_its_outputs(comfy_cli: Any) -> None:
    done = comfy_cli(picture_prompt(7, "from_cli"), "--wait")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["data"]
    assert (told["status"], told["executed_node_ids"]) == ("completed", ["1", "2"])
    with urllib.request.urlopen(told["outputs"][0]) as reply:
        assert Image.open(io.BytesIO(reply.read())).size == (16, 16)


def test_comfy_cli_only_queues_where_it_is_not_to_wait(comfy_cli: Any, service: Service) -> None:
    done = comfy_cli(picture_prompt(8))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["data"]
    assert told["status"] == "queued"
    assert service.ended(told["prompt_id"]).state == "completed"


def test_comfy_cli_hears_what_is_wrong(comfy_cli: Any) -> None:
    broken = picture_prompt()
    broken["1"]["inputs"]["width"] = -1
    done = comfy_cli(broken, "--wait")
    assert done.returncode == 1
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    assert "width" in json.dumps(error)


def test_comfy_cli_keeps_workflows_at_the_server(comfy: Comfy, service: Service, tmp_path: Path) -> None:
    (tmp_path / "saved.json").write_text(json.dumps({"nodes": [], "links": []}))
    local = ("--json", "--where", "local", "workflow")
    assert comfy(*local, "save", "saved.json", "--name", "mine/saved.json").returncode == 0
    assert "mine/saved.json" in comfy(*local, "list").stdout
    assert comfy(*local, "get", "mine/saved.json", "--out", "back.json").returncode == 0
    assert json.loads((tmp_path / "back.json").read_text()) == {"nodes": [], "links": []}
    assert comfy(*local, "delete", "mine/saved.json").returncode == 0
    assert httpx.get(f"{service.url}/userdata/workflows%2Fmine%2Fsaved.json").status_code == 404


def test_comfy_cli_looks_at_the_machine(comfy: Comfy) -> None:
    done = comfy("--json", "--where", "local", "system-stats")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["ok"] is True


def test_the_classical_example_flow(service: Service) -> None:
    """Connect, submit under one's own prompt id, read until nothing runs, fetch from the history."""
    address, client_id, prompt_id = service.url.removeprefix("http://"), str(uuid.uuid4()), str(uuid.uuid4())
    socket = websocket.WebSocket()
    socket.connect(f"ws://{address}/ws?clientId={client_id}")
    body = json.dumps({"prompt": picture_prompt(9, "classic"), "client_id": client_id, "prompt_id": prompt_id}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"http://{address}/prompt", data=body)) as reply:
        assert json.loads(reply.read())["prompt_id"] == prompt_id
    running = True
    while running:
        message = socket.recv()
        if isinstance(message, str) and (said := json.loads(message))["type"] == "executing":
            running = said["data"]["node"] is not None or said["data"]["prompt_id"] != prompt_id
    socket.close()
    with urllib.request.urlopen(f"http://{address}/history/{prompt_id}") as reply:
        outputs = json.loads(reply.read())[prompt_id]["outputs"]
    pictures = []
    for node in outputs.values():
        for image in node["images"]:
            where = {"filename": image["filename"], "subfolder": image["subfolder"], "type": image["type"]}
            with urllib.request.urlopen(f"http://{address}/view?{urllib.parse.urlencode(where)}") as reply:
                pictures.append(Image.open(io.BytesIO(reply.read())))
    assert [picture.getpixel((0, 0)) for picture in pictures] == [(0, 0, 9)]


def test_a_job_of_the_native_api_is_in_the_same_queue_and_history(
    service: Service, simplified: ComfyApiWrapper
) -> None:
    job_id = service.submit(picture_prompt(10, "native"))
    entry = until(lambda: simplified.get_history(job_id))[job_id]
    assert entry["status"]["status_str"] == "success"
    assert entry["outputs"]["2"]["images"][0]["filename"].startswith("native_")
