"""Pictures by plain parameters over HTTP, drawn by the tiny models."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from adapters.host.settings import EMBEDDED_MODELS
from tests.adapters.doors.http.serving import Web, serving
from tests.adapters.host.models.conftest import entry, write_manifest
from tests.adapters.services import Service

INPUT = Path(__file__).parents[5] / "graphs" / "input"
PICTURE = base64.b64encode((INPUT / "example.png").read_bytes()).decode()
MASK = base64.b64encode((INPUT / "example_mask.png").read_bytes()).decode()
DATA_URL = "data:image/png;base64,"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("generate")) as running:
        yield running


def _drawn(http: httpx.Client, **parameters: Any) -> list[Image.Image]:
    body = {"prompt": "a red circle", "steps": 2, "seed": 1, "model": "tiny.safetensors", **parameters}
    reply = http.post("/v1/generate", params={"wait": 60, "delivery": "inline"}, json=body)
    assert reply.status_code == 200, reply.text
    assert reply.json()["state"] == "completed", reply.json()["error"]
    assert reply.json()["seed"] == 1
    return [Image.open(io.BytesIO(base64.b64decode(output["base64"]))) for output in reply.json()["outputs"]]


def test_text_becomes_pictures(http: httpx.Client, service: Service) -> None:
    (first,) = _drawn(http)
    assert first.size == (128, 128)
    assert len(_drawn(http, width=64, height=96, batch=2)) == 2


def test_a_picture_is_changed_and_only_inside_a_mask(http: httpx.Client, service: Service) -> None:
    (changed,) = _drawn(http, image=DATA_URL + PICTURE, strength=0.5)
    original = Image.open(INPUT / "example.png").convert("RGB")
    mask = Image.open(INPUT / "example_mask.png").convert("RGB")
    assert changed.size == original.size
    (inpainted,) = _drawn(http, image=PICTURE, mask=MASK)
    outside = [
        (x, y)
        for x in range(0, original.width, 8)
        for y in range(0, original.height, 8)
        if mask.getpixel((x, y))[0] == 0  # type: ignore[index]
    ]
    assert outside
    assert all(inpainted.convert("RGB").getpixel(at) == original.getpixel(at) for at in outside)
    assert inpainted.convert("RGB").tobytes() != original.tobytes()


@pytest.mark.parametrize("given", [(), ("image",), ("image", "mask")], ids=["text", "image", "mask"])
def test_control_nets_guide_every_kind_of_drawing(http: httpx.Client, service: Service, given: tuple[str, ...]) -> None:
    task = {name: {"image": PICTURE, "mask": MASK}[name] for name in given}
    edges = {"image": PICTURE, "type": "canny", "preprocess": "canny", "model": "tiny_canny.safetensors"}
    drawings = [
        _drawn(http, **task, controls=controls)[0]
        for controls in ([], [edges], [edges, {**edges, "image": MASK, "strength": 0.5, "end": 0.8}])
    ]
    assert len({drawing.size for drawing in drawings}) == 1
    assert len({drawing.tobytes() for drawing in drawings}) == 3
    (silent,) = _drawn(http, **task, controls=[{**edges, "strength": 0}])
    assert silent.tobytes() == drawings[0].tobytes()


def test_the_old_workers_request_is_answered_at_once(http: httpx.Client, service: Service) -> None:
    request = {"prompt": "a red circle", "num_inference_steps": 2, "seed": 3, "scheduler": "K_EULER"}
    request |= {"model": "tiny.safetensors", "num_images": 2}
    reply = http.post("/generate", json={"input": request})
    assert reply.status_code == 200, reply.text
    found = reply.json()
    assert found["seed"] == 3 and found["error"] is None and len(found["images"]) == 2
    assert found["image_url"] == found["images"][0]
    Image.open(io.BytesIO(base64.b64decode(found["images"][0].removeprefix(DATA_URL))))
    assert http.post("/generate", json=request).json()["images"] == found["images"]


@pytest.mark.parametrize("given", [(), ("image_url",), ("image_url", "mask_url")], ids=["text", "image", "mask"])
def test_the_old_workers_request_takes_all_its_fields(
    http: httpx.Client, service: Service, given: tuple[str, ...]
) -> None:
    request: dict[str, Any] = {
        "prompt": "a red circle",
        "negative_prompt": "blue",
        "height": 128,
        "width": 128,
        "seed": 42,
        "scheduler": "DDIM",
        "num_inference_steps": 2,
        "refiner_inference_steps": 50,
        "guidance_scale": 5.5,
        "strength": 0.6,
        "high_noise_frac": 0.8,
        "num_images": 1,
        "control_image": DATA_URL + PICTURE,
        "control_type": "canny",
        "preprocess": "canny",
        "controlnet": "tiny_canny.safetensors",
        "controlnet_conditioning_scale": 0.7,
        "control_guidance_start": 0.0,
        "control_guidance_end": 0.9,
        "lora_weights": [{"name": "tiny_style.safetensors", "strength": 0.5}],
        "model": "tiny.safetensors",
    }
    request |= {name: {"image_url": PICTURE, "mask_url": MASK}[name] for name in given}
    reply = http.post("/generate", json={"input": request})
    assert reply.status_code == 200, reply.text
    found = reply.json()
    assert (found["seed"], len(found["images"])) == (42, 1)
    assert "refiner" in found["notes"][0]
    with Image.open(io.BytesIO(base64.b64decode(found["image_url"].removeprefix(DATA_URL)))) as image:
        assert image.size == (128, 128)
    without = {name: value for name, value in request.items() if not name.startswith(("control", "preprocess"))}
    assert http.post("/generate", json=without).json()["images"] != found["images"]


def test_what_the_old_worker_does_not_know_is_refused(http: httpx.Client, service: Service) -> None:
    reply = http.post("/generate", json={"input": {"prompt": "x", "foo": 1}})
    assert reply.status_code == 422 and "foo" in reply.text
    schema = http.get("/openapi.json").json()["components"]["schemas"]["WorkerInput"]
    assert {"prompt", "refiner_inference_steps", "num_inference_steps", "control_image"} <= schema["properties"].keys()


def test_a_second_pass_is_larger(http: httpx.Client, service: Service) -> None:
    (large,) = _drawn(http, width=64, height=64, hires={"scale": 1.5, "steps": 2})
    assert large.size == (96, 96)


def test_the_default_model_is_told_and_stays(http: httpx.Client, service: Service) -> None:
    told = [model["name"] for model in http.get("/v1/models").json()["checkpoints"] if model["default"]]
    assert len(told) == 1


def test_the_default_model_is_the_one_that_workers_have_loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("warm")
    for name in ("aardvark", "zebra"):
        path = folder / "models" / "checkpoints" / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(EMBEDDED_MODELS / "checkpoints" / "tiny.safetensors", path)
    listed = entry("zebra.safetensors", b"x", {"civitai": 1}, warm=True)
    manifest = str(write_manifest(folder / "models.yaml", listed))
    with serving(folder / "data", models=str(folder / "models"), manifest=manifest) as web, web.client() as client:
        job = client.post("/v1/generate", json={"prompt": "x"}).json()
        workflow = client.get(f"/v1/jobs/{job['id']}/workflow").json()
    (loader,) = (node for node in workflow.values() if node["class_type"] == "CheckpointLoaderSimple")
    assert loader["inputs"]["ckpt_name"] == "zebra.safetensors"


def test_a_request_that_makes_no_sense_is_answered_with_problems(web: Web) -> None:
    with web.client() as client:
        for path, body in (
            ("/v1/generate", {"prompt": "x", "steps": 0}),
            ("/v1/generate", {"prompt": "x", "sampler": "eulr"}),
            ("/v1/generate", {"prompt": "x", "image": "no base64!"}),
            ("/v1/generate", {"prompt": "x", "model": "none.safetensors"}),
            ("/v1/generate", {"prompt": "x", "loras": [{"name": "none"}]}),
            ("/generate", {"input": {"prompt": "x", "scheduler": "MAGIC"}}),
            ("/generate", {"input": {}}),
            ("/generate", {}),
        ):
            reply = client.post(path, json=body)
            assert reply.status_code == 422, (body, reply.text)
            assert reply.headers["content-type"] == "application/problem+json"
        assert "'euler'" in client.post("/v1/generate", json={"prompt": "x", "sampler": "eulr"}).text


def test_one_key_makes_one_picture_though_its_seed_is_chosen(web: Web) -> None:
    with web.client() as client:
        replies = [client.post("/v1/generate", json={"prompt": "x", "idempotency_key": "k"}) for _ in range(2)]
        assert replies[0].json()["id"] == replies[1].json()["id"]
        assert replies[0].json()["seed"] == replies[1].json()["seed"]
        other = client.post("/v1/generate", json={"prompt": "y", "idempotency_key": "k"})
        assert other.status_code == 409
