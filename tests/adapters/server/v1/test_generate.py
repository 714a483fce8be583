"""Pictures by plain parameters over HTTP, drawn by the tiny models."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.adapters.server.serving import Web, serving
from tests.adapters.services import Service

INPUT = Path(__file__).parents[4] / "graphs" / "input"
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
