"""Pictures of GGUF files, by the pack's loaders and by the ordinary ones: those of the same numbers in float32."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from torch import Tensor

from engine.engine import Engine
from engine.model_store import ModelStore
from engine.validate import inspect
from engine.workflow import Workflow
from nodes.diffusion.checkpoints import load_unet
from nodes.families.checking import file_problems
from tests.nodes.families.gguf_files import as_gguf
from tests.reference.families import models
from tests.reference.recorded import distance, probing_engine, run

FAMILIES = Path(models.__file__).parent
Graph = dict[str, dict[str, Any]]
FLUX: dict[str, Graph] = json.loads((FAMILIES / "flux" / "prompts.json").read_text())
Z_IMAGE: dict[str, Graph] = json.loads((FAMILIES / "z_image" / "prompts.json").read_text())
MODELS = {
    "diffusion_models/tiny_flux_schnell": None,
    "diffusion_models/tiny_flux_dev": None,
    "text_encoders/tiny_t5xxl": gguf.MODEL_ARCH.T5ENCODER,
    "text_encoders/tiny_qwen3_4b": gguf.MODEL_ARCH.QWEN3,
}
GGUF_CLASSES = {
    "UNETLoader": "UnetLoaderGGUF",
    "CLIPLoader": "CLIPLoaderGGUF",
    "DualCLIPLoader": "DualCLIPLoaderGGUF",
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("gguf")
    graphs = [FLUX["flux_schnell"], FLUX["flux_lora_peft"], Z_IMAGE["text"]]
    models.write(models.BOOK, folder / "models", models.named_in(graphs) | {"tiny_flux_dev.safetensors"})
    for name, arch in MODELS.items():
        as_gguf(folder / "models" / f"{name}.safetensors", folder / "models" / f"{name}-Q8_0.gguf", arch)
    return probing_engine(folder, folder / "models")


def renamed(graph: Graph, suffix: str, classes: dict[str, str]) -> Graph:
    """``graph`` with the files of :data:`MODELS` that end in ``suffix``, and with other classes to load them."""
    named = {f"{name.rpartition('/')[2]}.safetensors": f"{name.rpartition('/')[2]}-Q8_0{suffix}" for name in MODELS}
    other: Graph = {}
    for node_id, entry in graph.items():
        inputs = {
            key: named.get(value, value) if isinstance(value, str) else value for key, value in entry["inputs"].items()
        }
        kind = classes.get(entry["class_type"], entry["class_type"])
        if kind == "UnetLoaderGGUF":
            inputs.pop("weight_dtype")
        other[node_id] = {"class_type": kind, "inputs": inputs}
    return other


def made(engine: Engine, graph: Graph, suffix: str, classes: dict[str, str]) -> dict[str, Tensor]:
    """What the probes of ``graph`` find with these files."""
    return run(engine, renamed(graph, suffix, classes))


@pytest.mark.parametrize("classes", [GGUF_CLASSES, {}], ids=["the pack's loaders", "ordinary loaders"])
@pytest.mark.parametrize(
    "graph", [FLUX["flux_schnell"], FLUX["flux_lora_peft"], Z_IMAGE["text"]], ids=["flux", "lora", "qwen3"]
)
def test_a_gguf_file_gives_what_its_numbers_give(engine: Engine, graph: Graph, classes: dict[str, str]) -> None:
    exact = made(engine, graph, ".safetensors", {})
    found = made(engine, graph, ".gguf", classes)
    assert exact.keys() == found.keys()
    for name, tensor in exact.items():  # a LoRA's product is summed in another order when it is made in each step
        assert distance(found[name], tensor) <= (1e-4 if graph is FLUX["flux_lora_peft"] else 0), name


def test_the_advanced_loader_gives_the_same(engine: Engine) -> None:
    advanced = GGUF_CLASSES | {"UNETLoader": "UnetLoaderGGUF"}
    exact = made(engine, FLUX["flux_schnell"], ".gguf", advanced)
    graph = json.loads(json.dumps(FLUX["flux_schnell"]))
    graph["1"] = {
        "class_type": "UnetLoaderGGUFAdvanced",
        "inputs": {
            "unet_name": graph["1"]["inputs"]["unet_name"],
            "dequant_dtype": "float16",
            "patch_dtype": "target",
            "patch_on_device": True,
        },
    }
    found = made(engine, graph, ".gguf", advanced)
    assert torch.equal(found["samples"], exact["samples"])


def test_weights_take_the_memory_of_their_blocks(engine: Engine) -> None:
    blocks = engine.folders.find("diffusion_models", "tiny_flux_schnell-Q8_0.gguf")
    weights = load_unet(blocks).weights
    store = ModelStore("cpu", precision="float32")
    with store.lease(weights) as module:
        numbers = sum(parameter.numel() for parameter in module.parameters())
    assert store.held_bytes <= blocks.stat().st_size < 0.3 * 4 * numbers


@pytest.mark.parametrize("classes", [GGUF_CLASSES, {}], ids=["the pack's loaders", "ordinary loaders"])
@pytest.mark.parametrize("graph", [FLUX["flux_schnell"], Z_IMAGE["text"]], ids=["flux", "qwen3"])
def test_check_takes_what_a_run_takes(engine: Engine, graph: Graph, classes: dict[str, str]) -> None:
    workflow = Workflow.model_validate({"nodes": renamed(graph, ".gguf", classes)})
    nodes = inspect(workflow, engine.registry, engine.folders).nodes
    assert any(str(path).endswith(".gguf") for node in nodes.values() for path in node.files.values())
    assert not [problem.message for problem in file_problems(nodes, math.inf)]


def test_check_refuses_what_the_pack_loaders_refuse(engine: Engine) -> None:
    wrong = {"CLIPLoader": "CLIPLoaderGGUF"}
    graph = renamed(Z_IMAGE["text"], ".gguf", wrong)
    (loader,) = (node for node in graph.values() if node["class_type"] == "CLIPLoaderGGUF")
    folder = engine.folders.of_kind("text_encoders")[0]
    (folder / "text.gguf").write_text("no weights at all")
    loader["inputs"]["clip_name"] = "text.gguf"
    nodes = inspect(Workflow.model_validate({"nodes": graph}), engine.registry, engine.folders).nodes
    (problem,) = file_problems(nodes, math.inf)
    assert "text.gguf" in problem.message
