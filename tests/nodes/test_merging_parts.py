"""Merges with a ratio for each part of a network, whose names are those of the published file."""

from __future__ import annotations

import pytest
import torch

from engine.context import Context
from engine.engine import Engine
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.registry import node
from engine.schema import NodeSpec
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from nodes.values import Model
from tests.reference.families import models

FILE = "tiny_flux_dev.safetensors"
merged: list[Model] = []


@node("KeepModel", category="test", output_node=True)
def keep_model(ctx: Context, *, model: Model) -> None:
    merged.append(model)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("merging")
    registry = builtin_registry()
    specs: list[NodeSpec] = keep_model.__dict__["__dagfusion_nodes__"]
    registry.add(specs[0])
    folders = Folders(model_folders([models.write(models.BOOK, folder, {FILE})]), folder, folder, folder)
    return Engine(registry, folders, ModelStore("cpu", precision="float32"))


def test_each_part_has_its_ratio(engine: Engine) -> None:
    loaders = {
        str(number): {"class_type": "UNETLoader", "inputs": {"unet_name": FILE, "weight_dtype": dtype}}
        for number, dtype in enumerate(("default", "fp8_e4m3fn"), start=1)
    }
    ratios = {"double_blocks.0.": 0.25, "single_blocks.0.": 0.0, "img_in.": 1.0}
    inputs = {name: 1.0 for name in engine.registry["ModelMergeFlux1"].inputs if not name.startswith("model")}
    graph = loaders | {
        "3": {"class_type": "ModelMergeFlux1", "inputs": {"model1": ["1", 0], "model2": ["2", 0], **inputs, **ratios}},
        "4": {"class_type": "KeepModel", "inputs": {"model": ["3", 0]}},
    }
    engine.run(Workflow(nodes={number: NodeDocument(**entry) for number, entry in graph.items()}))
    model, store = merged.pop(), engine.models
    (patch,) = model.weight_patches
    other = patch.other  # type: ignore[attr-defined]
    with store.lease(model.weights) as first, store.lease(other) as second:
        own, theirs = dict(first.named_parameters()), dict(second.named_parameters())
        with store.lease(model.weights, model.weight_patches) as both:
            found = dict(both.named_parameters())
    for name, ratio in (
        ("transformer_blocks.0.attn.to_k.weight", 0.25),
        ("single_transformer_blocks.0.proj_mlp.weight", 0.0),
        ("x_embedder.weight", 1.0),
        ("transformer_blocks.1.ff.net.2.weight", 1.0),
    ):
        assert not torch.equal(own[name], theirs[name])
        assert torch.allclose(found[name], own[name] * ratio + theirs[name] * (1 - ratio), atol=1e-6), name


def test_inputs_are_the_published_parts() -> None:
    registry = builtin_registry()
    large = list(registry["ModelMergeSD35_Large"].inputs)
    assert large[:3] == ["model1", "model2", "pos_embed."]
    assert large[-2:] == ["joint_blocks.37.", "final_layer."]
    assert list(registry["ModelMergeSDXL"].inputs)[-1] == "out."
