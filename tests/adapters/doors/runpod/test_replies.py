"""What goes back to RunPod fits, and nothing that a job made is thrown away."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from adapters.doors.runpod.replies import RUN_BYTES, RUNSYNC_BYTES, failed, limit_of
from adapters.run.direct.replies import Reply, size_of
from adapters.service.blobs.store import BlobStore
from adapters.service.conversions import Conversions
from adapters.service.error_documents import error_document
from adapters.service.errors import BodyTooLarge
from adapters.service.prepare.requests import OutputRequest
from adapters.service.store.records import Output
from engine.errors import GraphInvalid, NodeFailed, OutOfMemory, Problem


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> BlobStore:
    return BlobStore(tmp_path_factory.mktemp("blobs"))


def noise(side_px: int, form: str = "PNG", seed: int = 0) -> bytes:
    """A picture that hardly compresses."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side_px, side_px, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def output(blobs: BlobStore, contents: bytes, name: str = "9_images_0.png", **more: Any) -> Output:
    blob = blobs.put_bytes(contents)
    usual = {"node_id": "9", "class_type": "SaveImage", "kind": "images", "cached": False, "folder": "output"}
    file = {"digest": blob.digest, "size_bytes": blob.size_bytes, "media_type": "image/png", "filename": name}
    return Output(name=name, **usual | file | more)  # type: ignore[arg-type]


def reply(
    outputs: list[Output],
    blobs: BlobStore,
    limit: int = RUN_BYTES,
    format: Literal["png", "jpeg", "webp"] | None = None,
    **more: Any,
) -> dict[str, Any]:
    made = Reply("a-b", limit, OutputRequest(format=format), **more).completed(outputs, blobs, Conversions(blobs))
    assert size_of(made) <= limit
    return made


def opened(data: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2] or data, validate=True)))


def test_pictures_come_as_worker_comfyui_sends_them(blobs: BlobStore) -> None:
    contents = noise(16)
    seen = output(blobs, noise(8), "1_images_0.png", folder="temp", node_id="1")
    made = reply([seen, output(blobs, contents, filename="ComfyUI_00001_.png")], blobs)
    assert made["images"] == [
        {"filename": "ComfyUI_00001_.png", "type": "base64", "data": base64.b64encode(contents).decode()}
    ]
    temp, saved = made["outputs"]
    assert opened(temp["data"]).size == (8, 8) and "data" not in saved
    assert (saved["name"], saved["media_type"], saved["size_bytes"]) == ("9_images_0.png", "image/png", len(contents))
    assert set(made) == {"images", "outputs"}


def test_other_outputs_come_too(blobs: BlobStore) -> None:
    sound = output(blobs, b"fLaC", "3_audio_0.flac", kind="audio", media_type="audio/flac")
    text = Output(name="4_text_0", node_id="4", class_type="PreviewAny", kind="text", cached=True, data="hello")
    made = reply([sound, text], blobs, notes=("muted",))
    assert (made["images"], made["status"], made["notes"]) == ([], "success_no_images", ["muted"])
    assert base64.b64decode(made["outputs"][0]["data"]) == b"fLaC"
    assert (made["outputs"][1]["value"], made["outputs"][1]["cached"]) == ("hello", True)


def test_plain_parameters_are_answered_as_sdxl_workers_do(blobs: BlobStore) -> None:
    made = reply([output(blobs, noise(16)), output(blobs, noise(8), "b.png")], blobs, seed=7)
    assert made["image_url"] == made["images"][0]
    assert made["image_url"].startswith("data:image/png;base64,")
    assert [opened(url).size for url in made["images"]] == [(16, 16), (8, 8)]
    assert made["seed"] == 7


def test_the_format_is_the_one_that_was_wished_for(blobs: BlobStore) -> None:
    made = reply([output(blobs, noise(16), filename="a.png")], blobs, format="jpeg")
    assert made["images"][0]["filename"] == "a.jpg"
    assert opened(made["images"][0]["data"]).format == "JPEG"
    assert made["outputs"][0]["media_type"] == "image/jpeg"


def test_a_picture_that_is_too_large_comes_in_a_smaller_format(blobs: BlobStore) -> None:
    large, small = output(blobs, noise(300), "large.png"), output(blobs, noise(32), "small.png")
    made = reply([large, small], blobs, 200_000)
    first, second = made["images"]
    assert (first["filename"], opened(first["data"]).format) == ("large.webp", "WEBP")
    assert opened(first["data"]).size == (300, 300)
    assert (second["filename"], opened(second["data"]).format) == ("small.png", "PNG")
    assert "large.png comes as image/webp" in made["errors"][0]


def test_the_smaller_format_of_those_who_want_jpeg_is_jpeg(blobs: BlobStore) -> None:
    made = reply([output(blobs, noise(300), "a.png")], blobs, 120_000, format="jpeg")
    assert opened(made["images"][0]["data"]).format == "JPEG"


def test_what_cannot_be_made_smaller_stays_where_it_is_and_the_reply_says_where(blobs: BlobStore) -> None:
    film = output(blobs, b"\0" * 300_000, "5_video_0.mp4", kind="video", media_type="video/mp4")
    picture = output(blobs, noise(64), "small.png")
    made = reply([film, picture], blobs, 200_000)
    described = made["outputs"][0]
    assert described["type"] == "path" and Path(described["data"]).read_bytes() == b"\0" * 300_000
    assert opened(made["images"][0]["data"]).format == "PNG"
    assert described["data"] in made["errors"][0] and "DAGFUSION_BLOBS" in made["errors"][0]


def test_files_go_into_the_bucket_where_there_is_one(blobs: BlobStore) -> None:
    kept: dict[str, bytes] = {}

    def bucket(job_id: str, name: str, contents: bytes) -> str | None:
        if name == "b.png":
            return None
        kept[f"{job_id}/{name}"] = contents
        return f"https://bucket/{job_id}/{name}"

    pictures = [output(blobs, noise(16), "a.png"), output(blobs, noise(8), "b.png")]
    made = reply(pictures, blobs, bucket=bucket)
    assert made["images"][0] == {"filename": "a.png", "type": "s3_url", "data": "https://bucket/a-b/a.png"}
    assert kept["a-b/a.png"] == noise(16)
    assert made["images"][1]["type"] == "base64" and "b.png could not be put" in made["errors"][0]
    assert reply(pictures[:1], blobs, bucket=bucket, seed=1)["image_url"] == "https://bucket/a-b/a.png"


def test_too_large_files_come_as_links_where_the_blob_store_signs_some(blobs: BlobStore) -> None:
    class Signing(BlobStore):
        def signed_url(self, digest: str, name: str, media_type: str, lifetime_s: int) -> str:
            return f"https://storage/{digest}/{name}?for={lifetime_s}"

    signing = Signing(blobs._root)
    large, small = output(signing, noise(300), "large.png"), output(signing, noise(32), "small.png")
    made = reply([large, small], signing, 200_000)
    assert made["images"][0]["type"] == "s3_url" and made["images"][0]["filename"] == "large.png"
    assert made["images"][0]["data"].endswith("/large.png?for=604800")
    assert made["images"][1]["type"] == "base64"
    assert "errors" not in made


def test_texts_that_are_too_long_are_refused(blobs: BlobStore) -> None:
    text = Output(name="t", node_id="4", class_type="PreviewAny", kind="text", cached=False, data="x" * 200_000)
    with pytest.raises(BodyTooLarge, match="100,000 bytes"):
        reply([text], blobs, 100_000)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=10, deadline=None
)
@given(
    sides=st.lists(st.integers(1, 110), min_size=1, max_size=4),
    others=st.lists(st.integers(0, 90_000), max_size=3),
    seed=st.none() | st.just(3),
    limit=st.integers(12_000, 120_000),
)
def test_every_reply_fits_and_names_every_output(
    blobs: BlobStore, sides: list[int], others: list[int], seed: int | None, limit: int
) -> None:
    outputs = [output(blobs, noise(side, seed=i), f"{i}.png") for i, side in enumerate(sides)]
    outputs += [output(blobs, bytes(size), f"{i}.bin", kind="files", media_type="x/y") for i, size in enumerate(others)]
    made = reply(outputs, blobs, limit, seed=seed)
    assert [one["name"] for one in made["outputs"]] == [one.name for one in outputs]
    left = " ".join(made.get("errors", ()))
    for one, described in zip(outputs, made["outputs"], strict=True):
        if one.kind == "files" and described["type"] == "base64":
            assert len(base64.b64decode(described["data"])) == one.size_bytes
    if seed is None:
        for one, image in zip(outputs, made["images"], strict=False):
            here = image["type"] == "path" and Path(image["data"]).is_file()
            assert here or opened(image["data"]).size == (sides[int(one.name[:-4])],) * 2
    else:
        assert len(made["images"]) + left.count(".png stays on the worker") == len(sides)


def test_runsync_takes_more_than_run() -> None:
    assert limit_of("sync-1f2e") == RUNSYNC_BYTES > limit_of("1f2e-u1") == RUN_BYTES
    assert RUN_BYTES < 10_000_000 and RUNSYNC_BYTES < 20_000_000


def test_a_real_picture_of_that_size_fits_into_run(blobs: BlobStore) -> None:
    picture = noise(1800)
    assert len(picture) > 9_000_000
    made = reply([output(blobs, picture, "a.png")], blobs)
    assert opened(made["images"][0]["data"]).size == (1800, 1800)


def test_errors_are_documents_in_json_text() -> None:
    made = failed(error_document(NodeFailed("3", "KSampler", ValueError("broken"), {"steps": "20"})))
    assert set(made) == {"error"}
    error = json.loads(made["error"])
    assert (error["type"], error["node_id"], error["code"], error["retry"]) == ("NodeFailed", "3", "node-failed", False)
    assert failed(error_document(OutOfMemory("3", "K", MemoryError("no"), {})))["refresh_worker"] is True


def test_a_thousand_problems_are_no_reason_for_a_reply_that_does_not_fit() -> None:
    problems = [Problem("value_not_in_list", "x" * 500, "y", str(i)) for i in range(5000)]
    made = failed(error_document(GraphInvalid(problems)))
    assert len(made["error"]) < 100_000
    assert json.loads(made["error"])["problems"][0]["node_id"] == "0"
