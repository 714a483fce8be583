"""The application on a real cluster: jobs over HTTP run in replicas on two nodes, whatever happens to those."""

from __future__ import annotations

import io
import json
import os
import signal
from typing import Any

import httpx
import pytest
from PIL import Image
from websockets.sync.client import connect

from tests.adapters.doors.ray.conftest import KEY, Door
from tests.adapters.services import picture_prompt, until


def where(**inputs: Any) -> dict[str, Any]:
    return {"class_type": "Whereabouts", "inputs": {"file": "", "tenths": 0, "seed": 0} | inputs}


def drawing(checkpoint: str, seed: int) -> dict[str, Any]:
    """Two steps with a model, then where that was."""

    def node(class_type: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": class_type, "inputs": inputs}

    return {
        "1": node("CheckpointLoaderSimple", ckpt_name=f"{checkpoint}.safetensors"),
        "2": node("CLIPTextEncode", text="a red circle", clip=["1", 1]),
        "3": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "4": node(
            "KSampler",
            model=["1", 0],
            positive=["2", 0],
            negative=["2", 0],
            latent_image=["3", 0],
            seed=seed,
            steps=2,
            cfg=2.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=1.0,
        ),
        "5": node("VAEDecode", samples=["4", 0], vae=["1", 2]),
        "6": where(after=["5", 0], seed=seed),
    }


def sent(http: httpx.Client, prompt: dict[str, Any], **more: Any) -> str:
    reply = http.post("/v1/jobs", json={"workflow": prompt, **more})
    assert reply.status_code == 202, reply.text
    return str(reply.json()["id"])


def place_of(job: dict[str, Any]) -> tuple[int, int]:
    """The process id of the replica that ran the job, and how many networks it had loaded then."""
    assert job["state"] == "completed", job
    (output,) = [one for one in job["outputs"] if one["kind"] == "text"]
    process_id, loads = output["value"].split()
    return int(process_id), int(loads)


def kinds(door: Door, job_id: str) -> list[str]:
    """The kinds of the job's events, whose numbers have no gaps."""
    events = door.store.events.of_job(job_id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    return [event.kind for event in events]


def test_without_a_key_nobody_comes_in(door: Door) -> None:
    assert httpx.post(f"{door.url}/v1/jobs", json={"workflow": picture_prompt()}).status_code == 401


def test_a_picture_comes_back_with_its_progress_over_a_websocket(door: Door) -> None:
    with door.client() as http:
        job_id = sent(http, picture_prompt(0x00FF00) | {"3": where(tenths=5, seed=1)})
        address = f"{door.url.replace('http', 'ws')}/v1/jobs/{job_id}/ws?api_key={KEY}"
        with connect(address) as socket:
            messages = [json.loads(text) for text in socket if isinstance(text, str)]
        assert messages[-1]["kind"] == "completed"
        assert any(one["kind"] == "node_progress" for one in messages)
        job = door.ended(http, job_id)
        assert job["progress"]["fraction"] == 1.0
        (output,) = [one for one in job["outputs"] if one["kind"] == "images"]
        picture = http.get(f"/v1/jobs/{job_id}/outputs/{output['name']}")
        assert Image.open(io.BytesIO(picture.content)).getpixel((3, 3)) == (0, 255, 0)


def test_a_job_goes_to_the_replica_that_holds_its_model(door: Door) -> None:
    with door.client() as http:
        places = {name: place_of(door.ended(http, sent(http, drawing(name, 1)))) for name in ("one", "two")}
        assert places["one"][0] != places["two"][0], "the second model was put where the first one is"
        for seed in (2, 3):
            for name, place in places.items():
                assert place_of(door.ended(http, sent(http, drawing(name, seed)))) == place


def test_a_job_whose_replica_is_killed_finishes_in_another_one(door: Door) -> None:
    file = door.folder / "killed"
    with door.client() as http:
        job_id = sent(http, {"1": where(file=str(file), tenths=600)})
        until(lambda: "node_progress" in kinds(door, job_id))
        os.kill(int(file.read_text()), signal.SIGKILL)
        job = door.ended(http, job_id)
    first, second = map(int, file.read_text().split())
    assert place_of(job)[0] == second != first
    happened = kinds(door, job_id)
    assert (job["attempts"], happened.count("requeued"), happened.count("completed")) == (2, 1, 1)
    (requeued,) = [event for event in door.store.events.of_job(job_id) if event.kind == "requeued"]
    assert requeued.data["reason"]["type"] == "WorkerLost"


def test_cancelling_stops_the_replica(door: Door) -> None:
    file = door.folder / "cancelled"
    with door.client() as http:
        job_id = sent(http, {"1": where(file=str(file), tenths=600)})
        until(lambda: "node_progress" in kinds(door, job_id))
        http.delete(f"/v1/jobs/{job_id}")
        assert door.ended(http, job_id)["state"] == "cancelled"
        # Both replicas are free again.
        ids = [sent(http, {"1": where(tenths=3, seed=seed)}) for seed in (11, 12)]
        assert [door.ended(http, one)["state"] for one in ids] == ["completed", "completed"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"null", 422, "request-invalid"),
        (b"[]", 422, "request-invalid"),
        (b'{"workflow": {"1": {"class_type": "Nothing", "inputs": {}}}}', 422, "graph-invalid"),
        (b'{"workflow": {}, "unknown": 1}', 422, "request-invalid"),
        (b'{"workflow": {', 422, "workflow-unreadable"),
    ],
)
def test_bad_input_is_one_structured_error(door: Door, body: bytes, status: int, code: str) -> None:
    with door.client() as http:
        reply = http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json"), reply.text
    assert reply.json()["type"].endswith(code)


def test_a_gpu_that_no_node_has_is_one_structured_error(door: Door) -> None:
    with door.client() as http:
        reply = http.post("/gpu/v1/jobs", json={"workflow": picture_prompt()})
        assert reply.status_code == 202, reply.text
        job = door.ended(http, reply.json()["id"], "/gpu")
    assert (job["state"], job["attempts"], job["error"]["type"]) == ("failed", 1, "GpuMissing")
    assert "no node of the Ray cluster has the GPUs" in job["error"]["message"] and "gpus=0" in job["error"]["remedy"]
