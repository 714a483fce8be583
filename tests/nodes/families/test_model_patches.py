"""Networks beside a model's: what they add, and what they are refused for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.engine import Engine
from engine.errors import NodeFailed
from nodes.families.z_image.fun_control import FunControl, _Added
from tests.reference.families import models
from tests.reference.recorded import compare, probing_engine, read, run

REFERENCE = Path(models.__file__).parents[1]
FILLING = "filling.safetensors"


def fun_graph() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REFERENCE / "z_image_fun" / "prompt.json").read_text())
    return found


def diffsynth_graph() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REFERENCE / "families" / "qwen_image" / "prompts.json").read_text())
    graph: dict[str, Any] = found["diffsynth"]
    return graph


def node_of(graph: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in graph.values() if entry["class_type"] == name)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("model_patches")
    written = models.write(models.BOOK, folder / "models", models.named_in([fun_graph(), diffsynth_graph()]))
    torch.manual_seed(0)
    network = FunControl(patch_width=33 * 4, width=384, layers=3, refiners=2, adds_early=True)
    tensors = {name: torch.randn_like(tensor) / 20 for name, tensor in network.state_dict().items()}
    save_file(tensors, written / "model_patches" / FILLING)
    return probing_engine(folder, written)


def test_fun_control_adds_what_the_reference_does(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, Any], None]
) -> None:
    """ComfyUI forgets where it is only behind the 26th block. On the two blocks here it so runs the last layer before
    the first one, in all passes but the first; on a whole model it does not.
    """
    layered = _Added._layered
    passes: list[int] = []

    def slipping(self: Any, number: int, through: Callable[..., Tensor | None]) -> Tensor | None:
        if number == 0 and passes:
            through(self._module.control_layers[-1])
        passes.append(number)
        return layered(self, number, through)

    monkeypatch.setattr(_Added, "_layered", slipping)
    recorded = read(REFERENCE / "z_image_fun" / "outputs.safetensors")["z_image_fun_controlnet"]
    compare(run(engine, fun_graph()), recorded, 1e-4, record_property)


def filled(engine: Engine, mask: float) -> Tensor:
    graph = fun_graph()
    node_of(graph, "ModelPatchLoader")["inputs"]["name"] = FILLING
    node_of(graph, "KSampler")["inputs"]["steps"] = 1
    apply = node_of(graph, "QwenImageDiffsynthControlnet")
    apply["class_type"] = "ZImageFunControlnet"
    apply["inputs"]["inpaint_image"] = apply["inputs"].pop("image")
    apply["inputs"]["mask"] = ["mask", 0]
    graph["mask"] = {"class_type": "SolidMask", "inputs": {"value": mask, "width": 128, "height": 96}}
    (latent,) = run(engine, graph).values()
    return latent


def test_fun_control_that_fills_in_goes_by_its_mask(engine: Engine) -> None:
    covered, kept = filled(engine, 1.0), filled(engine, 0.0)
    assert torch.isfinite(covered).all() and (covered - kept).abs().max() > 1e-3


def test_a_patch_for_another_family_is_refused(engine: Engine) -> None:
    graph = diffsynth_graph()
    node_of(graph, "ModelPatchLoader")["inputs"]["name"] = FILLING
    with pytest.raises(NodeFailed, match="does not fit the model"):
        run(engine, graph)
