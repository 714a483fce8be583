"""The handler as RunPod runs it: by the SDK's test input, its local API, and its worker loop."""

from __future__ import annotations

import ast
import base64
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from benchmarks.service import DAGFUSION
from tests.adapters.doors.runpod.conftest import COMMAND, ROOT, Handler, environment
from tests.adapters.doors.runpod.platform import Platform
from tests.adapters.services import START_S, picture_prompt, until


def opened(data: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2] or data, validate=True)))


def waiting(tenths: int) -> dict[str, Any]:
    return {"workflow": {"1": {"class_type": "Wait", "inputs": {"tenths": tenths, "mark": "waited"}}}}


def copying(name: str) -> dict[str, Any]:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "copy"}},
    }


def red_png() -> str:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


PARAMETERS = {
    "prompt": "a boat",
    "model": "tiny.safetensors",
    "num_inference_steps": 3,
    "sampler": "euler",
    "width": 64,
    "height": 64,
    "seed": 5,
}


def test_a_test_input_is_run_once(tmp_path: Path) -> None:
    given = json.dumps({"input": {"workflow": picture_prompt(0xFF0000)}})
    done = subprocess.run(
        [*COMMAND, "--test_input", given],
        cwd=tmp_path,
        env=environment(tmp_path, DAGFUSION_RUNPOD_STREAM="true"),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if "Job result: " in line)
    result = ast.literal_eval(line.partition("Job result: ")[2])
    assert opened(result["output"]["images"][0]["data"]).getpixel((3, 3)) == (255, 0, 0)


def test_the_test_input_of_this_repository_is_one_that_is_understood() -> None:
    from adapters.doors.runpod.replies import MAX_INPUT_BYTES
    from adapters.service.prepare.requests import PictureInput, read_input

    given = json.loads((ROOT / "test_input.json").read_text())["input"]
    assert isinstance(read_input(given, MAX_INPUT_BYTES), PictureInput)


def test_a_handler_that_cannot_start_says_why_and_ends(tmp_path: Path) -> None:
    env = environment(tmp_path, DAGFUSION_WARM="nothing.safetensors")
    command = [DAGFUSION, "runpod", "--rp_log_level", "ERROR"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 78
    assert "nothing.safetensors" in done.stderr and "Traceback" not in done.stderr


class TestLocalApi:
    def test_runsync_gives_the_pictures_of_worker_comfyuis_request(self, api: httpx.Client) -> None:
        given = {"workflow": copying("in.png"), "images": [{"name": "in.png", "image": red_png()}]}
        reply = api.post("/runsync", json={"input": given}).json()
        assert reply["status"] == "COMPLETED", reply
        image = reply["output"][-1]["images"][0]
        assert (image["type"], image["filename"][:4]) == ("base64", "copy")
        assert opened(image["data"]).getpixel((3, 3)) == (255, 0, 0)

    def test_run_then_status_gives_the_result(self, api: httpx.Client) -> None:
        job = api.post("/run", json={"input": {"workflow": picture_prompt(0x00FF00)}}).json()
        assert job["status"] == "IN_PROGRESS"
        reply = api.post(f"/status/{job['id']}").json()
        assert reply["status"] == "COMPLETED", reply
        assert opened(reply["output"][-1]["images"][0]["data"]).getpixel((3, 3)) == (0, 255, 0)

    def test_stream_gives_previews_and_then_the_picture(self, api: httpx.Client) -> None:
        steps = {"num_inference_steps": 200}  # long enough for a picture on the way, however busy the machine is
        job = api.post("/run", json={"input": PARAMETERS | steps}).json()
        reply = api.post(f"/stream/{job['id']}").json()
        assert reply["status"] == "COMPLETED", reply
        *previews, last = [one["output"] for one in reply["stream"]]
        assert last["seed"] == 5 and opened(last["image_url"]).size == (64, 64), last
        assert previews
        assert opened(previews[0]["preview"]["data"]).format == "JPEG"
        assert previews[0]["preview"]["node_id"] == "5"  # the sampler

    @pytest.mark.parametrize(
        ("given", "kind", "message"),
        [
            ({}, "RequestInvalid", "neither a 'workflow' nor a 'prompt'"),
            ({"prompt": "a boat", "x": 1}, "RequestInvalid", "x: there is no such field"),
            ({"workflow": {"1": {"class_type": "Nothing", "inputs": {}}}}, "GraphInvalid", "Nothing"),
            ({"workflow": {}}, "WorkflowUnreadable", ""),
            ({"workflow": copying("in.png"), "images": [{"name": "in.png", "image": "?"}]}, "InputRefused", "base64"),
            ({"workflow": copying("a"), "images": [{"name": "../a", "image": red_png()}]}, "InputRefused", "../a"),
            ({"prompt": "a", "model": "nothing.safetensors"}, "ModelMissing", "nothing.safetensors"),
            ({"workflow": picture_prompt(), "images": [{"name": "a", "image": "A" * 30_000_000}]}, "BodyTooLarge", ""),
        ],
    )
    def test_what_is_wrong_comes_as_a_document(
        self, api: httpx.Client, given: dict[str, Any], kind: str, message: str
    ) -> None:
        reply = api.post("/runsync", json={"input": given}).json()
        error = json.loads(reply["output"][-1]["error"])
        assert error["type"] == kind and message in error["message"]
        assert "Traceback" not in json.dumps(reply)


class TestPlatform:
    @pytest.fixture(autouse=True)
    def _running(self, on_platform: Handler) -> None:
        pass

    def test_a_job_is_taken_told_of_and_answered_with_one_object(self, platform: Platform) -> None:
        platform.submit("first", waiting(25))
        platform.submit("sync-1", {"workflow": picture_prompt(0xFF)})
        result = platform.result("first", START_S + 60)
        assert result["output"]["outputs"][0]["value"] == "waited"
        assert "stopPod" not in result
        told = platform.progress("first")
        assert told and {"done", "total", "fraction", "node_id"} <= told[-1].keys()
        image = platform.result("sync-1")["output"]["images"][0]
        assert opened(image["data"]).getpixel((3, 3)) == (0, 0, 255)

    def test_an_input_that_is_none_gets_one_error(self, platform: Platform) -> None:
        wrong: list[Any] = [None, [], [1], "no JSON", 7, {"workflow": None}]
        for number, given in enumerate(wrong):
            platform.submit(f"wrong-{number}", given)
        for number in range(len(wrong)):
            result = platform.result(f"wrong-{number}")
            error = json.loads(result["error"])
            assert error["message"] and error["code"] in ("request-invalid", "workflow-unreadable")
            assert set(result) == {"error"}

    def test_two_jobs_are_in_hand_at_a_time_and_one_can_be_stopped(
        self, platform: Platform, on_platform: Handler
    ) -> None:
        platform.submit("long", waiting(3000))
        until(lambda: platform.progress("long"))
        platform.to_stop.append("long")
        until(lambda: "cancelled [job long]" in on_platform.log)
        platform.submit("after", {"workflow": picture_prompt(3)})
        assert platform.result("after")["output"]["images"]
        assert "Traceback" not in on_platform.log

    def test_a_worker_that_ran_out_of_memory_is_replaced(self, platform: Platform, on_platform: Handler) -> None:
        platform.submit("hog", {"workflow": {"1": {"class_type": "Hog", "inputs": {"seed": 1}}}})
        result = platform.result("hog")
        error = json.loads(result["error"])
        assert (error["type"], error["node_id"], error["code"]) == ("OutOfMemory", "1", "out-of-memory")
        assert result["stopPod"] is True
        # Nobody is told that a job is in progress once its end was told.
        for posts in platform.posts.values():
            assert all(post.get("status") == "IN_PROGRESS" for post in posts[:-1]), posts
        assert on_platform.process.wait(60) == 0
