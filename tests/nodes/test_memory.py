"""What a node would take in memory is asked for before it is taken."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from engine import disk_room, host_memory, limits
from engine.context import Context
from engine.engine import Engine
from engine.errors import Cancelled, GraphInvalid, NodeFailed, OutOfMemory
from engine.folders import Folders, model_folders
from engine.limits import Limits
from engine.memory_check import with_memory
from engine.model_store import ModelStore
from engine.types import Image
from engine.validate import inspect
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry, memory
from nodes.diffusion import vae as vaes
from nodes.diffusion.checkpoints import load_vae
from nodes.pictures import encode
from nodes.values import Latent

REGISTRY = builtin_registry()
GIB = 2**30


def flow(**nodes: tuple[str, dict[str, Any]]) -> Workflow:
    return Workflow(nodes={i: NodeDocument(class_type=kind, inputs=inputs) for i, (kind, inputs) in nodes.items()})


def saved(kind: str, **inputs: Any) -> Workflow:
    shown = {"source": ["n", 0]}
    return flow(n=(kind, inputs), s=("PreviewAny", shown))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    for name in ("input", "output", "temp"):
        (tmp_path / name).mkdir()
    folders = Folders(input=tmp_path / "input", output=tmp_path / "output", temp=tmp_path / "temp")
    return Engine(REGISTRY, folders, ModelStore("cpu"), limits=Limits(memory_bytes=2**20))


FROM_NUMBERS = [
    ("EmptyLatentImage", {"width": 16384, "height": 16384, "batch_size": 256}, 16 * GIB),
    ("EmptySD3LatentImage", {"width": 16384, "height": 16384, "batch_size": 4}, GIB),
    ("EmptyImage", {"width": 16384, "height": 16384, "batch_size": 4096, "color": 0}, 12 * GIB * 1024),
    ("SolidMask", {"width": 16384, "height": 16384, "value": 1.0}, GIB),
]


@pytest.mark.parametrize(("kind", "inputs", "size_bytes"), FROM_NUMBERS)
def test_what_is_made_from_numbers_is_refused_before_anything_runs(
    engine: Engine, kind: str, inputs: dict[str, Any], size_bytes: int
) -> None:
    spec = REGISTRY[kind]
    assert spec.memory is not None and spec.memory(**inputs) == size_bytes
    with pytest.raises(GraphInvalid) as refused:
        engine.run(saved(kind, **inputs))
    (problem,) = refused.value.problems
    assert (problem.node_id, problem.code) == ("n", "custom_validation_failed")
    assert "GiB of memory" in problem.message and "1.0 MiB" in problem.message
    assert "DAGFUSION_MAX_MEMORY_MIB" in problem.remedy
    # By default as much as the machine has, less what others need.
    most = int(host_memory.host_memory_bytes() * 0.75)
    found = with_memory(inspect(saved(kind, **inputs), REGISTRY, engine.folders), Limits()).problems
    assert bool(found) == (size_bytes > most)


LATENT = {"width": 64, "height": 64, "batch_size": 2}
PICTURE = {"width": 64, "height": 48, "batch_size": 2, "color": 0}
LARGE = 16384
FRAME = {"target_width": LARGE, "target_height": LARGE, "padding_color": "white", "interpolation": "area"}
FROM_LINKS = [
    ("LatentUpscale", {"upscale_method": "bislerp", "width": LARGE, "height": LARGE, "crop": "disabled"}),
    ("LatentUpscaleBy", {"upscale_method": "bilinear", "scale_by": 8.0}),
    ("ImageScale", {"upscale_method": "bilinear", "width": LARGE, "height": 0, "crop": "disabled"}),
    ("ImageScaleBy", {"upscale_method": "bilinear", "scale_by": 8.0}),
    ("ImageScaleToMaxDimension", {"upscale_method": "area", "largest_size": LARGE}),
    ("ResizeAndPadImage", FRAME),
    ("ImagePadForOutpaint", {"left": 4096, "top": 4096, "right": 0, "bottom": 0, "feathering": 0}),
    ("RepeatImageBatch", {"amount": 4096}),
    ("RepeatLatentBatch", {"amount": 64}),
]


@pytest.mark.parametrize(("kind", "inputs"), FROM_LINKS)
def test_what_is_made_of_linked_values_is_refused_when_they_are_known(
    engine: Engine, kind: str, inputs: dict[str, Any]
) -> None:
    engine.limits = Limits(memory_bytes=100_000)
    source, made, name = _source(kind)
    with pytest.raises(NodeFailed, match="of memory at once") as failed:
        engine.run(flow(m=(source, made), n=(kind, {name: ["m", 0], **inputs}), s=("PreviewAny", {"source": ["n", 0]})))
    assert (failed.value.node_id, failed.value.class_type) == ("n", kind)


@pytest.mark.parametrize(("kind", "inputs"), FROM_LINKS)
def test_an_estimate_is_at_least_what_is_made(engine: Engine, kind: str, inputs: dict[str, Any]) -> None:
    source, made, name = _source(kind)
    small = {key: min(value, 96) if isinstance(value, int) else value for key, value in inputs.items()}
    engine.limits = Limits()
    run = engine.run(flow(m=(source, made), n=(kind, {name: ["m", 0], **small})), ["m", "n"])
    (given,), (out,) = run.outputs["m"].values[0], run.outputs["n"].values[0]
    estimate = REGISTRY[kind].memory
    assert estimate is not None
    tensor = out.pixels if isinstance(out, Image) else out.samples
    assert tensor.nbytes <= estimate(**{name: given, **small}) <= 3 * tensor.nbytes


def _source(kind: str) -> tuple[str, dict[str, Any], str]:
    """The class whose output goes into the node, with its inputs, and the input's name."""
    return ("EmptyLatentImage", LATENT, "samples") if "Latent" in kind else ("EmptyImage", PICTURE, "image")


def test_what_is_not_free_now_is_refused_and_what_was_kept_is_freed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.limits = Limits()
    monkeypatch.setattr(limits, "free_memory_bytes", lambda: 100 * 2**20)
    with pytest.raises(OutOfMemory, match=r"192\.0 MiB of memory at once, and 100\.0 MiB are free"):
        engine.run(saved("EmptyImage", width=4096, height=4096, batch_size=1, color=0))
    assert engine.run(saved("EmptyImage", width=64, height=64, batch_size=1, color=0)).outputs


def test_free_memory_is_what_the_machine_or_the_container_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 < host_memory.free_memory_bytes() <= host_memory.host_memory_bytes()
    (tmp_path / "max").write_text(str(2 * GIB))
    (tmp_path / "current").write_text(str(GIB))
    (tmp_path / "stat").write_text(f"anon 5\ninactive_file {GIB // 2}\n")
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 1048576 kB\n")
    for name, file in (("_LIMITS", "max"), ("_USED", "current"), ("_STATISTICS", "stat")):
        monkeypatch.setattr(host_memory, name, (tmp_path / file,))
    monkeypatch.setattr(host_memory, "_MACHINE", tmp_path / "meminfo")
    assert host_memory.host_memory_bytes() == 2 * GIB
    assert host_memory.free_memory_bytes() == GIB
    (tmp_path / "current").write_text(str(2 * GIB))
    assert host_memory.free_memory_bytes() == GIB // 2
    (tmp_path / "max").write_text("max")
    assert host_memory.free_memory_bytes() == GIB


def test_latents_and_films_are_measured_without_being_made() -> None:
    class Vae:
        class space:
            factors = (1, 8, 8)

    class InItsFile:
        class film:
            count, size, channels = 10, (40, 30), 3

        @property
        def pixels(self) -> torch.Tensor:
            raise AssertionError("the film is read to see how large it is")

    latent = Latent(torch.zeros(2, 4, 5, 6))
    assert memory.decoded(samples=latent, vae=Vae()) >= 2 * 40 * 48 * 3 * 4  # type: ignore[arg-type]
    assert memory.shape_of(InItsFile()) == (10, 30, 40, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["file", "data URL", "mask"])
def test_one_limit_of_megapixels_holds_for_every_way_in(engine: Engine, way: str) -> None:
    engine.limits = Limits(pixels=10_000)
    for side, fits in ((100, True), (101, False)):
        file = io.BytesIO()
        Pillow.new("RGB", (side, side if side == 101 else 100)).save(file, "PNG")
        name = f"{side}.png"
        (engine.folders.input / name).write_bytes(file.getvalue())
        if way == "data URL":
            name = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
        kind = ("LoadImageMask", {"channel": "red"}) if way == "mask" else ("LoadImage", {})
        workflow = saved(kind[0], image=name, **kind[1])
        if fits:
            assert engine.run(workflow).outputs
        else:
            with pytest.raises(NodeFailed, match=r"more than 0\.01 megapixels") as failed:
                engine.run(workflow)
            assert "DAGFUSION_MAX_MEGAPIXELS" in failed.value.remedy


def test_a_picture_that_is_encoded_can_be_cancelled(tmp_path: Path) -> None:
    pieces = 0

    def check() -> None:
        nonlocal pieces
        pieces += 1
        if pieces == 10:
            raise Cancelled

    noise = torch.rand(512, 512, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(Cancelled):
        encode.png(tmp_path / "a.png", noise, check_cancelled=check)
    assert pieces == 10 and (tmp_path / "a.png").stat().st_size < 300_000
    encode.png(tmp_path / "a.png", noise)
    with Pillow.open(tmp_path / "a.png") as picture:
        assert np.array_equal(np.asarray(picture), (noise.numpy() * np.float32(255)).astype(np.uint8))


@pytest.mark.parametrize("shape", [(5, 7, 3), (4, 5, 7, 4), (300, 200, 3), (0, 4, 4, 3)])
def test_levels_are_the_same_in_strips(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 1.2 - 0.1
    whole = (pixels * 255.0).clamp(0, 255).nan_to_num(0.0).to(torch.uint8).numpy()
    for values in (1, 1000, 2**24):
        monkeypatch.setattr(encode, "_STRIP_VALUES", values)
        assert np.array_equal(encode.levels(pixels), whole)


def test_a_vae_works_in_tiles_where_memory_does_not_hold_the_whole(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = Context(Folders(model_folders([models_dir])), ModelStore("cpu"))
    vae = load_vae(models_dir / "checkpoints" / "tiny_sd15.safetensors")
    tiled: list[str] = []
    for way in ("_decode_tiled", "_encode_tiled"):
        real = getattr(vaes, way)
        monkeypatch.setattr(vaes, way, lambda *given, way=way, real=real: (tiled.append(way), real(*given))[1])
    latent, pixels = torch.zeros(1, 4, 80, 80), torch.zeros(1, 640, 640, 3)
    vaes.decode(ctx, vae, latent)
    assert tiled == []
    monkeypatch.setattr(vaes, "_ALWAYS_BYTES", 0)
    monkeypatch.setattr(vaes, "free_memory_bytes", lambda: 2**29)
    assert vaes.decode(ctx, vae, latent).shape == (1, 640, 640, 3)
    assert vaes.encode(ctx, vae, pixels).shape == (1, 4, 80, 80)
    assert tiled == ["_decode_tiled", "_encode_tiled"]


def room(monkeypatch: pytest.MonkeyPatch, *free_bytes: int) -> tuple[Path, ...]:
    """Folders, each on a disk of its own with so many bytes free."""
    folders = tuple(Path(f"/disk-{number}") for number in range(len(free_bytes)))
    least = min(free_bytes)
    monkeypatch.setattr(limits, "room_bytes", lambda asked: least if asked == folders else None)
    return folders


LARGE_LATENT = {"width": 4096, "height": 4096, "batch_size": 100}  # 400 MiB
SAVED_LATENT = flow(n=("EmptyLatentImage", LARGE_LATENT), s=("SaveLatent", {"samples": ["n", 0]}))


def test_files_that_have_no_room_are_refused_before_anything_runs(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.limits = Limits(saved_in=room(monkeypatch, 2**40, 300 * 2**20))
    with pytest.raises(GraphInvalid) as refused:
        engine.run(SAVED_LATENT)
    (problem,) = refused.value.problems
    assert (problem.node_id, problem.class_type) == ("s", "SaveLatent")
    assert "about 400.0 MiB, and there is room for 300.0 MiB" in problem.message
    engine.limits = Limits(saved_in=room(monkeypatch, 500 * 2**20))
    assert engine.check(SAVED_LATENT) == ()


def test_files_of_linked_values_are_refused_before_they_are_written(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.limits = Limits(saved_in=room(monkeypatch, 65 * 2**20))
    made = {"width": 1024, "height": 1024, "batch_size": 2}
    repeated = ("RepeatLatentBatch", {"samples": ["n", 0], "amount": 64})
    saving = flow(n=("EmptySD3LatentImage", made), r=repeated, s=("SaveLatent", {"samples": ["r", 0]}))
    with pytest.raises(NodeFailed, match=r"128\.0 MiB, and there is room for 65\.0 MiB") as failed:
        engine.run(saving)
    assert failed.value.node_id == "s"
    assert not list(engine.folders.output.iterdir())


def test_each_folder_gets_a_copy_also_one_that_is_yet_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=900)
    monkeypatch.setattr(disk_room.shutil, "disk_usage", lambda _: free)
    assert disk_room.room_bytes(()) is None
    assert disk_room.room_bytes([tmp_path]) == 900
    assert disk_room.room_bytes([tmp_path, tmp_path / "a" / "b", tmp_path]) == 300
