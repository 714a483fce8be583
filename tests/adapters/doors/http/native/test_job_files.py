"""Files that come with a submission, as base64, data URLs or parts of a form; and forms as such."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.adapters.doors.http.serving import PICTURE, Web, serving

PNG = (Path(__file__).parents[5] / "graphs" / "input" / "example.png").read_bytes()
READS_FILE: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}, "_meta": {"title": "Photo"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "photo"}},
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture
def client(web: Web) -> Iterator[httpx.Client]:
    with web.client() as opened:
        yield opened


@pytest.mark.parametrize("form", ["base64", "data-url", "upload", "upload-by-file-name"])
def test_input_files_come_along(web: Web, client: httpx.Client, form: str) -> None:
    text = base64.b64encode(PNG).decode()
    if form in ("base64", "data-url"):
        source = text if form == "base64" else f"data:image/png;base64,{text}"
        reply = client.post("/v1/jobs", json={"workflow": READS_FILE, "files": {"photo.png": source}})
    else:
        name = "photo.png" if form == "upload" else "files"
        parts = {"workflow": (None, json.dumps(READS_FILE)), name: ("photo.png", PNG, "image/png")}
        reply = client.post("/v1/jobs", files=parts)
    assert reply.status_code == 202, reply.text
    store = web.services.store
    job = store.jobs.get(reply.json()["id"])
    assert job is not None
    (file,) = store.jobs.inputs(job.id)
    assert file.name == "photo.png" and web.services.blobs.size(file.digest) == len(PNG)
    assert job.prompt["1"]["inputs"]["image"] == file.stored_name
    assert (web.folder / "input" / file.stored_name).read_bytes() == PNG


def test_a_form_carries_the_other_fields_and_a_picture_its_workflow(web: Web, client: httpx.Client) -> None:
    fields = {"workflow": json.dumps(PICTURE), "priority": "5", "overrides": '{"1.width": 48}', "previews": "false"}
    reply = client.post("/v1/jobs", files={name: (None, value) for name, value in fields.items()})
    job = web.services.store.jobs.get(reply.json()["id"])
    assert job is not None and job.priority == 5 and job.options["previews"] is False
    assert job.prompt["1"]["inputs"]["width"] == 48
    carrier = _picture_with(PICTURE)
    reply = client.post("/v1/jobs", files={"workflow": ("made.png", carrier, "image/png")})
    assert reply.status_code == 202, reply.text
    plain = client.post("/v1/jobs", files={"workflow": ("plain.png", PNG, "image/png")})
    assert plain.status_code == 422 and "carries no workflow" in plain.json()["detail"]


def _picture_with(prompt: dict[str, Any]) -> bytes:
    info = PngInfo()
    info.add_text("prompt", json.dumps(prompt))
    target = io.BytesIO()
    Image.new("RGB", (4, 4)).save(target, "PNG", pnginfo=info)
    return target.getvalue()


def test_a_missing_file_is_a_problem_of_the_workflow(client: httpx.Client) -> None:
    reply = client.post("/v1/jobs", json={"workflow": READS_FILE})
    assert reply.status_code == 422
    assert reply.json()["problems"][0]["input"] == "image"
