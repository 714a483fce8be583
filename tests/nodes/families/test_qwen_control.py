"""ControlNets of Qwen-Image that draw what a mask covers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.engine import Engine
from engine.errors import NodeFailed
from tests.reference.families import models
from tests.reference.recorded import probing_engine, run

FAMILIES = Path(models.__file__).parent
APPLY = "ControlNetInpaintingAliMamaApply"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("qwen_control")
    return probing_engine(folder, models.write(models.BOOK, folder / "models", models.named_in([graph()])))


def graph(node: str = APPLY, mask: float = 1.0, net: str = "tiny_qwen_instantx_inpaint.safetensors") -> dict[str, Any]:
    """The recorded workflow of a ControlNet with ``net`` applied by ``node``, under a mask of one value."""
    found: dict[str, Any] = json.loads((FAMILIES / "qwen_image" / "prompts.json").read_text())["controlnet"]
    ids = {entry["class_type"]: node_id for node_id, entry in found.items()}
    found[ids["ControlNetLoader"]]["inputs"]["control_net_name"] = net
    found[ids["KSampler"]]["inputs"]["steps"] = 2
    apply = found[ids["ControlNetApplyAdvanced"]]
    apply["class_type"] = node
    if node == APPLY:
        found["mask"] = {"class_type": "SolidMask", "inputs": {"value": mask, "width": 128, "height": 96}}
        apply["inputs"]["mask"] = ["mask", 0]
    return found


def drawn(engine: Engine, **changes: Any) -> Tensor:
    (latent,) = run(engine, graph(**changes)).values()
    return latent


def test_what_the_mask_covers_counts(engine: Engine) -> None:
    covered, kept = drawn(engine, mask=1.0), drawn(engine, mask=0.0)
    assert torch.isfinite(covered).all() and (covered - kept).abs().max() > 1e-3


def test_without_a_mask_it_is_refused(engine: Engine) -> None:
    with pytest.raises(NodeFailed, match="no mask"):
        drawn(engine, node="ControlNetApplyAdvanced")
