"""What can be used, what the machine has, and what clients keep at the server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.adapters.services import Service


def test_every_class_is_described_as_comfyui_does(http: httpx.Client) -> None:
    classes: dict[str, Any] = http.get("/object_info").json()
    assert len(classes) > 200
    sampler = classes["KSampler"]
    assert list(sampler["input"]["required"])[:3] == ["model", "seed", "steps"]
    assert (sampler["output"], sampler["output_is_list"], sampler["name"]) == (["LATENT"], [False], "KSampler")
    checkpoints = classes["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0]
    assert "tiny.safetensors" in checkpoints
    assert http.get("/object_info/KSampler").json() == {"KSampler": sampler}
    assert http.get("/api/object_info/KSampler").json() == {"KSampler": sampler}
    assert http.get("/object_info/Nothing").json() == {}


def test_an_uploaded_picture_is_among_the_choices_at_once(http: httpx.Client) -> None:
    http.post("/upload/image", files={"image": ("fresh.png", b"x")})
    info = http.get("/object_info/LoadImage").json()["LoadImage"]
    assert "fresh.png" in info["input"]["required"]["image"][0]


def test_models_are_listed_by_kind(http: httpx.Client) -> None:
    kinds = http.get("/models").json()
    assert {"checkpoints", "loras", "vae", "embeddings"} <= set(kinds)
    assert "tiny.safetensors" in http.get("/models/checkpoints").json()
    assert http.get("/models/nothing").status_code == 404
    assert all(not name.endswith(".safetensors") for name in http.get("/embeddings").json())


def test_a_model_files_metadata_is_told(http: httpx.Client, models_dir: Path) -> None:
    def write(name: str, header: bytes, size: int | None = None) -> None:
        length = len(header) if size is None else size
        (models_dir / "loras" / name).write_bytes(length.to_bytes(8, "little") + header)

    write("told.safetensors", json.dumps({"__metadata__": {"ss_tag": "a"}}).encode())
    write("none.safetensors", b"{}")
    write("broken.safetensors", b"{")
    write("deep.safetensors", b"[" * 100_000)
    write("huge.safetensors", b"{}", 2**63)
    (models_dir / "loras" / "short.safetensors").write_bytes(b"abc")

    def ask(name: str) -> httpx.Response:
        return http.get("/view_metadata/loras", params={"filename": name})

    assert ask("told.safetensors").json() == {"ss_tag": "a"}
    for name in ("none", "broken", "deep", "huge", "short", "not-there", "../told", "a\0b"):
        assert ask(f"{name}.safetensors").status_code == 404, name
    assert ask("told.txt").status_code == 404
    assert http.get("/view_metadata/nothing", params={"filename": "a.safetensors"}).status_code == 404


def test_the_machine_is_told(http: httpx.Client) -> None:
    stats = http.get("/system_stats").json()
    assert stats["system"]["comfyui_version"] == "0.33.0"
    assert stats["system"]["ram_total"] > stats["system"]["ram_free"] > 0
    (device,) = stats["devices"]
    assert (device["type"], device["index"]) == ("cpu", None)
    assert device["vram_total"] > 0
    assert http.get("/features").json()["supports_preview_metadata"] is True
    assert http.get("/extensions").json() == []
    assert http.get("/users").json() == {"storage": "server", "migrated": True}


def test_settings_are_kept(http: httpx.Client) -> None:
    assert http.post("/settings", json={"Comfy.A": 1, "Comfy.B": [2]}).status_code == 200
    assert http.post("/settings/Comfy.A", json="three").status_code == 200
    assert http.get("/settings/Comfy.A").json() == "three"
    assert http.get("/settings/Comfy.Unknown").json() is None
    assert {"Comfy.A": "three", "Comfy.B": [2]}.items() <= http.get("/settings").json().items()


def test_files_are_kept_listed_moved_and_removed(http: httpx.Client) -> None:
    assert http.post("/userdata/flows%2Fone.json", content=b"1").json() == "flows/one.json"
    info = http.post("/userdata/flows%2Fsub%2Ftwo.json?full_info=true", content=b"22").json()
    assert (info["path"], info["size"]) == ("flows/sub/two.json", 2)
    assert http.post("/userdata/flows%2Fone.json?overwrite=false", content=b"x").status_code == 409
    assert http.get("/userdata/flows%2Fone.json").content == b"1"
    assert http.get("/userdata?dir=flows").json() == ["one.json"]
    assert http.get("/userdata?dir=flows&recurse=true").json() == ["one.json", "sub/two.json"]
    assert http.get("/userdata?dir=flows&recurse=true&split=true").json()[1] == ["sub/two.json", "sub", "two.json"]
    assert http.get("/userdata?dir=flows&full_info=true").json()[0]["size"] == 1
    assert http.get("/userdata?dir=nowhere").status_code == 404
    assert http.post("/userdata/flows%2Fone.json/move/flows%2Fsub%2Ftwo.json?overwrite=false").status_code == 409
    assert http.post("/userdata/flows%2Fone.json/move/flows%2Fthree.json").json() == "flows/three.json"
    assert http.delete("/userdata/flows%2Fthree.json").status_code == 204
    assert http.delete("/userdata/flows%2Fthree.json").status_code == 404
    assert http.get("/userdata?dir=flows").json() == []


@pytest.mark.parametrize(
    "name", ["..%2Fescape", "%2Fetc%2Fpasswd", "a%2F..%2F..%2F..%2Fb", "%00", "C:%5Ca", "..%5Cb", "a%0Ab", "link%2Fx"]
)
def test_files_stay_in_their_folder(http: httpx.Client, service: Service, name: str) -> None:
    http.post("/userdata/known.txt", content=b"known")
    link = Path(service.settings["data"]) / "user" / "default" / "link"
    if not link.is_symlink():
        os.symlink(service.folder, link, target_is_directory=True)
    before = sorted(path for path in service.folder.rglob("*") if "user" not in path.parts)
    for method, path in (
        ("GET", f"/userdata/{name}"),
        ("POST", f"/userdata/{name}"),
        ("DELETE", f"/userdata/{name}"),
        ("GET", f"/userdata?dir={name}"),
        ("POST", f"/userdata/known.txt/move/{name}"),
        ("POST", f"/userdata/{name}/move/known.txt"),
    ):
        assert http.request(method, path).status_code in (404, 422), (method, path)
    assert sorted(path for path in service.folder.rglob("*") if "user" not in path.parts) == before
    assert http.get("/userdata/known.txt").content == b"known"
