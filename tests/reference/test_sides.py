"""More recorded workflows: what ComfyUI made of ControlNets, LoRA kinds, merges, model patches and samplers.

``sides/workflows.json`` holds them, ``sides/outputs.safetensors`` what came out, in float32 on the CPU with the tiny
models and those that ``sides/models.py`` writes; version 0.33.0 where it draws other noise between steps than 0.3.64,
which made the others. ComfyUI's own results spread by 1e-5 between two attention kernels,
but in a few cases that amplify rounding.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.engine import Engine
from tests.reference.recorded import compare, probing_engine, read, run
from tests.reference.sides import models

SIDES = Path(__file__).parent / "sides"
WORKFLOWS: dict[str, dict[str, Any]] = json.loads((SIDES / "workflows.json").read_text())
BOUND = 1e-4
BOUNDS = {"patches_perp_neg_without_negative": 1e-3, "lora_tucker": 1e-3, "lora_tucker_negative": 1e-3}


@pytest.fixture(autouse=True, scope="module")
def threads_as_recorded() -> Iterator[None]:
    """These were recorded with one thread; the number of threads changes the order of sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def engine(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("sides")
    models.write(folder / "models", models_dir)
    return probing_engine(folder, models_dir, folder / "models")


@pytest.fixture(scope="module")
def references() -> dict[str, dict[str, Tensor]]:
    return read(SIDES / "outputs.safetensors")


def test_every_workflow_has_a_recording(references: dict[str, dict[str, Tensor]]) -> None:
    assert set(WORKFLOWS) == set(references)


@pytest.mark.parametrize("case", WORKFLOWS)
def test_workflow(case: str, engine: Engine, references: dict[str, dict[str, Tensor]], record_property: Any) -> None:
    compare(run(engine, WORKFLOWS[case]), references[case], BOUNDS.get(case, BOUND), record_property)
