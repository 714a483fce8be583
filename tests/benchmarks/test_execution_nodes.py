"""The node classes that ComfyUI's execution tests are run over."""

from __future__ import annotations

import torch

from adapters.host.loading import load_registry
from adapters.host.settings import read_settings
from benchmarks.execution_tests import OWN_PACK
from engine.engine import Engine
from engine.folders import Folders
from engine.model_store import ModelStore
from engine.workflow import NodeDocument, Workflow


def test_they_load_and_an_expansion_of_several_async_ones_is_averaged() -> None:
    registry = load_registry(read_settings({"nodes": [OWN_PACK]}))
    sides = {"height": 4, "width": 4, "batch_size": 1}
    nodes = {
        "white": NodeDocument(class_type="StubImage", inputs={"content": "WHITE", **sides}),
        "black": NodeDocument(class_type="StubImage", inputs={"content": "BLACK", **sides}),
        "mean": NodeDocument(
            class_type="TestDynamicAsyncGeneration",
            inputs={"image1": ["white", 0], "image2": ["black", 0], "num_async_nodes": 3, "sleep_duration": 0.0},
        ),
    }
    result = Engine(registry, Folders(), ModelStore("cpu")).run(Workflow(nodes=nodes), ["mean"])
    ((mean,),) = result.outputs["mean"].values
    assert torch.allclose(mean.pixels, torch.full((1, 4, 4, 3), 2 / 3))
