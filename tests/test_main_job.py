"""The main job with the real nodes on tiny models: what runs again after a change, and the forms that it comes in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.document import read_workflow
from engine.engine import Engine
from engine.folders import Folders, model_folders
from engine.inputs import Int
from engine.model_store import ModelStore
from engine.overrides import apply_overrides
from engine.result import RunResult
from engine.workflow import Workflow
from nodes import builtin_registry
from tests.engine.convert.drawing import Drawing

GRAPH = Path(__file__).parents[1] / "graphs" / "text_to_image.json"
REGISTRY = builtin_registry()
FAST = ("KSampler.steps=2", "EmptyLatentImage.width=64", "EmptyLatentImage.height=64")


@pytest.fixture(scope="module")
def models(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder of its own, whose file is replaced by a test."""
    folder = tmp_path_factory.mktemp("own") / "models"
    (folder / "checkpoints").mkdir(parents=True)
    shutil.copy(models_dir / "checkpoints" / "tiny_sd15.safetensors", folder / "checkpoints")
    return folder


@pytest.fixture
def engine(models: Path, tmp_path: Path) -> Engine:
    folders = Folders(model_folders([models]), tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    return Engine(REGISTRY, folders, ModelStore("cpu", precision="float32"))


def flow(*overrides: str, source: Path | dict[str, Any] = GRAPH) -> Workflow:
    changes = ("CheckpointLoaderSimple.ckpt_name=tiny_sd15.safetensors", *FAST, *overrides)
    return apply_overrides(read_workflow(source, REGISTRY), changes, REGISTRY)


def ran(engine: Engine, *overrides: str) -> list[str]:
    """Titles of the nodes that the workflow, so changed, makes run."""
    workflow = flow(*overrides)
    return [str(workflow.nodes[node_id].title) for node_id in engine.run(workflow).executed]


def picture(engine: Engine, result: RunResult) -> tuple[bytes, dict[str, str]]:
    """The pixels and the texts of the only picture."""
    (output,) = result.outputs.values()
    (saved,) = output.shown["images"]
    with Image.open(engine.folders.path_of(saved)) as image:
        return image.tobytes(), dict(image.text)  # type: ignore[attr-defined]


def test_only_what_depends_on_a_change_runs_again(engine: Engine) -> None:
    assert len(ran(engine)) == 7
    assert ran(engine, "KSampler.seed=8") == ["Sampler", "Decode", "Save"]
    assert ran(engine, "KSampler.seed=8", "Positive.text=a cat") == ["Positive", "Sampler", "Decode", "Save"]
    assert ran(engine, "KSampler.seed=8", "Positive.text=a cat", "SaveImage.filename_prefix=other") == ["Save"]


def test_the_same_again_runs_nothing_and_tells_the_same_outputs(engine: Engine) -> None:
    first, again = engine.run(flow()), engine.run(flow())
    assert again.executed == ()
    assert not first.outputs["7"].cached
    assert again.outputs["7"].cached
    assert again.outputs["7"].shown == first.outputs["7"].shown
    assert len(list(engine.folders.output.iterdir())) == 1


def test_a_model_file_that_is_replaced_under_its_name_is_noticed(engine: Engine, models: Path) -> None:
    before = picture(engine, engine.run(flow()))[0]
    path = models / "checkpoints" / "tiny_sd15.safetensors"
    tensors = load_file(path)
    name = "model.diffusion_model.out.2.bias"
    tensors[name] = tensors[name] + torch.full_like(tensors[name], 0.5)
    save_file(tensors, path)
    result = engine.run(flow())
    assert len(result.executed) == 6  # all but the empty latent
    assert picture(engine, result)[0] != before


def test_both_forms_and_the_picture_itself_give_the_same_picture(engine: Engine, tmp_path: Path) -> None:
    pixels, texts = picture(engine, engine.run(flow()))
    assert json.loads(texts["prompt"]) == flow().as_prompt()
    (saved,) = engine.folders.output.iterdir()
    for source in (drawn(flow()), saved):
        engine.cache.clear()
        result = engine.run(flow(source=source))
        assert len(result.executed) == 7
        again, its_texts = picture(engine, result)
        assert again == pixels
        assert ("workflow" in its_texts) == isinstance(source, dict)


def drawn(workflow: Workflow) -> dict[str, Any]:
    """The workflow in UI form, as the front end would have saved it."""
    drawing = Drawing()
    for node_id, node in workflow.nodes.items():
        spec = REGISTRY[node.class_type]
        links = [given for given in spec.given_inputs if isinstance(node.inputs.get(given.name), list)]
        drawing.add(
            int(node_id),
            node.class_type,
            *widget_values(node.class_type, node.inputs),
            inputs=" ".join(f"{given.name}:{given.wire}" for given in links),
            outputs=" ".join(f"{output.name}:{output.wire}" for output in spec.outputs),
            title=node.title,
        )
    for node_id, node in workflow.nodes.items():
        for name, value in node.inputs.items():
            if isinstance(value, list):
                drawing.link(int(value[0]), value[1], int(node_id), name)
    return drawing.as_file()


def widget_values(class_type: str, inputs: dict[str, Any]) -> Iterator[Any]:
    for widget in REGISTRY[class_type].given_inputs:
        if widget.is_widget:
            yield inputs[widget.name]
            if isinstance(widget.marker, Int) and widget.marker.control_after_generate:
                yield "randomize"
