"""Every node that saves files, found by walking the registry: what another request wrote is in no file of this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from engine.engine import Engine
from engine.folders import Folders
from engine.model_store import ModelStore
from engine.picture_metadata import read_picture_texts
from engine.result import RunResult
from engine.schema import NodeSpec
from engine.types import SavedFile
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry

REGISTRY = builtin_registry()
SECRET = "the private words of another client"
# What gives each type, in two versions that differ.
SOURCES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "IMAGE": [("EmptyImage", {"width": 64, "height": 64, "batch_size": 2, "color": c}) for c in (0xFF0000, 0x0000FF)],
    "MASK": [("SolidMask", {"value": v, "width": 64, "height": 64}) for v in (0.25, 0.75)],
    "LATENT": [("EmptyLatentImage", {"width": w, "height": 64, "batch_size": 1}) for w in (64, 128)],
    "AUDIO": [("EmptyAudio", {"duration": d, "sample_rate": 44100, "channels": 1}) for d in (0.25, 0.5)],
    "VIDEO": [("CreateVideo", {"images": ["0.images", 0], "fps": 8.0})] * 2,
}


SHOWING = ("CreateBoundingBoxes",)  # what it shows are numbers


GIVEN = {"VHS_VideoCombine": {"format": "video/h264-mp4"}}  # a GIF holds no texts


def source_of(wire: str) -> str:
    """The first of several types that an input takes."""
    return wire.partition(",")[0]


def saves_files(spec: NodeSpec) -> bool:
    return (
        spec.output_node
        and spec.name not in SHOWING
        and any(source_of(spec_input.wire) in SOURCES for spec_input in spec.given_inputs)
    )


SAVING = sorted(name for name, spec in REGISTRY.items() if saves_files(spec))


def flow(name: str, version: int, *, secret: bool = False, extra: str = "") -> Workflow:
    """The node with all its sources; with ``secret``, beside it what another client keeps to itself."""
    nodes: dict[str, NodeDocument] = {}
    inputs: dict[str, Any] = {}
    for one in REGISTRY[name].given_inputs:
        if one.is_widget and one.required:
            inputs[one.name] = one.default
        if source_of(one.wire) in SOURCES:
            class_type, literals = SOURCES[source_of(one.wire)][version]
            nodes[f"0.{one.name}"] = NodeDocument(class_type=class_type, inputs=literals)
            inputs[one.name] = [f"0.{one.name}", 0]
            if class_type == "CreateVideo":
                class_type, literals = SOURCES["IMAGE"][version]
                nodes["0.images"] = NodeDocument(class_type=class_type, inputs=literals)
    nodes["s"] = NodeDocument(class_type=name, inputs=inputs | GIVEN.get(name, {}))
    if secret:
        nodes["t"] = NodeDocument(class_type="PreviewAny", inputs={"source": SECRET})
    return Workflow(nodes=nodes, extra_pnginfo={"workflow": {"nodes": [], "extra": SECRET if secret else extra}})


def files(engine: Engine, result: RunResult) -> list[Path]:
    shown = result.outputs["s"].shown
    return [engine.folders.path_of(item) for items in shown.values() for item in items if isinstance(item, SavedFile)]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    folders = Folders(input=tmp_path / "input", output=tmp_path / "output", temp=tmp_path / "temp")
    return Engine(REGISTRY, folders, ModelStore("cpu", precision="float32"))


def texts(path: Path) -> dict[str, str]:
    """What readers find in the file by keyword, in lower case."""
    if path.suffix in (".png", ".webp"):
        with path.open("rb") as file:
            return read_picture_texts(file)
    if path.suffix == ".latent":
        data = path.read_bytes()
        found: dict[str, str] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        return found
    with av.open(str(path)) as container:
        sources = [container.metadata, *(stream.metadata for stream in container.streams)]
        return {key.lower(): value for source in sources for key, value in source.items()}


def contents(path: Path) -> list[Any]:
    """What is in the file but for its texts."""
    if path.suffix in (".png", ".webp"):
        with Image.open(path) as picture:
            frames = [np.asarray(picture.convert("RGBA")) for _ in range(1)]
            for number in range(1, getattr(picture, "n_frames", 1)):
                picture.seek(number)
                frames.append(np.asarray(picture.convert("RGBA")))
        return [frame.tolist() for frame in frames]
    if path.suffix == ".latent":
        data = path.read_bytes()
        return [data[8 + int.from_bytes(data[:8], "little") :]]
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux() if packet.dts is not None]


def test_the_walk_finds_every_kind() -> None:
    assert {"SaveImage", "SaveAnimatedPNG", "SaveAnimatedWEBP", "SaveAudio", "SaveVideo", "SaveLatent"} <= set(SAVING)


@pytest.mark.parametrize("name", SAVING)
def test_a_file_tells_of_its_own_request_alone(engine: Engine, name: str) -> None:
    anns = files(engine, engine.run(flow(name, 0, secret=True)))
    result = engine.run(flow(name, 0, extra="of ben"))
    bens = files(engine, result)
    assert result.outputs["s"].cached is REGISTRY[name].cacheable
    assert anns
    for ann, ben in zip(anns, bens, strict=True):
        assert ann != ben
        assert SECRET.encode() not in ben.read_bytes()
        assert SECRET in texts(ann)["prompt"]
        assert json.loads(texts(ben)["workflow"]) == {"nodes": [], "extra": "of ben"}
        assert json.loads(texts(ben)["prompt"]).keys() == flow(name, 0).nodes.keys()
        assert contents(ann) == contents(ben)


@pytest.mark.parametrize("name", [name for name in SAVING if REGISTRY[name].cacheable])
def test_a_cached_run_gives_its_own_file_whatever_has_its_name_now(engine: Engine, name: str) -> None:
    reds = files(engine, engine.run(flow(name, 0)))
    wanted = [path.read_bytes() for path in reds]
    for path in reds:
        path.unlink()
    blues = files(engine, engine.run(flow(name, 1)))
    again = engine.run(flow(name, 0))
    assert again.outputs["s"].cached
    assert [path.read_bytes() for path in files(engine, again)] == wanted
    assert not set(files(engine, again)) & set(blues)
    assert files(engine, engine.run(flow(name, 0))) == files(engine, again)


def test_a_plain_webp_gets_the_header_for_its_texts(engine: Engine) -> None:
    for lossless in (True, False):
        one = flow("SaveAnimatedWEBP", 0)
        one.nodes["0.images"].inputs["batch_size"] = 1
        one.nodes["s"].inputs["lossless"] = lossless
        (path,) = files(engine, engine.run(one))
        assert json.loads(texts(path)["prompt"]).keys() == one.nodes.keys()
        with Image.open(path) as picture:
            assert picture.size == (64, 64)
            assert picture.convert("RGB").getpixel((5, 5)) == pytest.approx((255, 0, 0), abs=5)
