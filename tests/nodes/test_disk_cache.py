"""Which encodings an engine finds on disk: those of the same model files, precision and inputs, and no others."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.disk_cache import DiskCache, origin
from engine.engine import Engine
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from nodes.kept_values import KEPT_TYPES

Nodes = dict[str, tuple[str, dict[str, Any]]]
EMPTY = {"width": 64, "height": 64, "batch_size": 1, "color": 255}


@pytest.fixture
def folder(tmp_path: Path, models_dir: Path) -> Path:
    for kind in ("checkpoints", "controlnet", "embeddings"):
        (tmp_path / "models" / kind).mkdir(parents=True)
    shutil.copy(
        models_dir / "checkpoints" / "tiny_sd15.safetensors", tmp_path / "models" / "checkpoints" / "a.safetensors"
    )
    for net in (models_dir / "controlnet").iterdir():
        shutil.copy(net, tmp_path / "models" / "controlnet")
    return tmp_path


def started(folder: Path, precision: str = "float32") -> Engine:
    """An engine that has just been started."""
    folders = Folders(model_folders([folder / "models"]), folder / "input", folder / "output", folder / "temp")
    models = ModelStore("cpu", precision)
    disk = DiskCache(folder / "cache", 2**26, KEPT_TYPES, partial(origin, models))
    return Engine(builtin_registry(), folders, models, disk_cache=disk)


def hits(engine: Engine, nodes: Nodes, *outputs: str) -> tuple[int, int]:
    """How many outputs were found on disk and how many were written, with what ``outputs`` need."""
    documents = {name: NodeDocument(class_type=kind, inputs=inputs) for name, (kind, inputs) in nodes.items()}
    engine.run(Workflow(nodes=documents), list(outputs))
    assert engine.cache.disk is not None
    engine.cache.disk.flush()
    statistics = engine.cache.disk.statistics()
    assert not statistics.off
    return statistics.hits, statistics.writes


def prompt(text: str) -> Nodes:
    return {
        "model": ("CheckpointLoaderSimple", {"ckpt_name": "a.safetensors"}),
        "text": ("CLIPTextEncode", {"text": text, "clip": ["model", 1]}),
    }


def test_the_same_prompt_is_found_after_a_restart(folder: Path) -> None:
    assert hits(started(folder), prompt("a cat"), "text") == (0, 1)
    engine = started(folder)
    assert hits(engine, prompt("a cat"), "text") == (1, 0)
    assert engine.models.loads == 0
    assert hits(started(folder), prompt("a dog"), "text") == (0, 1)


def test_another_precision_finds_nothing(folder: Path) -> None:
    for precision in ("float32", "bfloat16"):
        assert hits(started(folder, precision), prompt("a cat"), "text") == (0, 1)
    assert hits(started(folder, "bfloat16"), prompt("a cat"), "text") == (1, 0)


def test_another_model_under_the_same_name_finds_nothing(folder: Path) -> None:
    path = folder / "models" / "checkpoints" / "a.safetensors"
    assert hits(started(folder), prompt("a cat"), "text") == (0, 1)
    tensors = load_file(path)
    name = next(name for name in tensors if name.startswith("cond_stage_model") and name.endswith("fc1.weight"))
    tensors[name] = tensors[name] + 0.1
    save_file(tensors, path)
    assert hits(started(folder), prompt("a cat"), "text") == (0, 1)


def test_another_embedding_under_the_same_name_finds_nothing(folder: Path) -> None:
    for value in (0.0, 1.0):
        save_file({"emb_params": torch.full((1, 64), value)}, folder / "models" / "embeddings" / "mine.safetensors")
        assert hits(started(folder), prompt("a embedding:mine"), "text") == (0, 1)
    assert hits(started(folder), prompt("a embedding:mine"), "text") == (1, 0)


def test_every_class_that_keeps_is_found(folder: Path) -> None:
    picture: Nodes = {"image": ("EmptyImage", EMPTY)}
    hole: Nodes = {"mask": ("SolidMask", {"value": 1.0, "width": 64, "height": 64})}
    vae, both = {"vae": ["model", 2]}, {"positive": ["text", 0], "negative": ["text", 0]}
    seen, mask = {"pixels": ["image", 0]}, {"mask": ["mask", 0]}
    tiles = {"tile_size": 512, "overlap": 64, "temporal_size": 64, "temporal_overlap": 8}
    more: Nodes = {
        "whole": ("VAEEncode", {**seen, **vae}),
        "tiled": ("VAEEncodeTiled", {**seen, **vae, **tiles}),
        "inpaint": ("VAEEncodeForInpaint", {**seen, **vae, **mask, "grow_mask_by": 6}),
        "beside": ("InpaintModelConditioning", {**both, **seen, **vae, **mask, "noise_mask": True}),
        "edit": ("InstructPixToPixConditioning", {**both, **seen, **vae}),
        "control": ("CLIPTextEncodeControlnet", {"clip": ["model", 1], "conditioning": ["text", 0], "text": "b"}),
    }
    nodes: Nodes = {**prompt("a cat"), **picture, **hole, **more}
    assert hits(started(folder), nodes, *more) == (0, len(more) + 1)
    engine = started(folder)
    assert hits(engine, nodes, *more) == (len(more), 0)
    assert engine.models.loads == 0


def test_a_conditioning_with_a_control_net_stays_in_memory(folder: Path) -> None:
    net = next((folder / "models" / "controlnet").iterdir()).name
    nodes: Nodes = {
        **prompt("a cat"),
        "image": ("EmptyImage", EMPTY),
        "net": ("ControlNetLoader", {"control_net_name": net}),
        "controlled": (
            "ControlNetApply",
            {"conditioning": ["text", 0], "control_net": ["net", 0], "image": ["image", 0], "strength": 1.0},
        ),
        "edit": (
            "InstructPixToPixConditioning",
            {"positive": ["controlled", 0], "negative": ["text", 0], "pixels": ["image", 0], "vae": ["model", 2]},
        ),
    }
    assert hits(started(folder), nodes, "edit") == (0, 1)
    assert hits(started(folder), nodes, "edit") == (1, 0)
