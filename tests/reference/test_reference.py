"""The recorded cases: what ComfyUI 0.33.0 computed for 126 prompts on tiny models, against what this engine computes.

``cases/prompts.json`` holds the prompts, ``cases/outputs.safetensors`` what came out, in float32 on the CPU. The
Probe* nodes in the prompts mark what was recorded. The distance is the relative L2 norm.
ComfyUI's own results spread by 3e-5 (dpm_adaptive: 3e-3) between two attention kernels.
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

CASES = Path(__file__).parent / "cases"
PROMPTS: dict[str, dict[str, Any]] = json.loads((CASES / "prompts.json").read_text())
BOUND = 1e-3
BOUNDS = {"sampler_dpm_adaptive": 2e-2}
RECORDED_THREADS = 2


@pytest.fixture(scope="module", autouse=True)
def recorded_threads() -> Iterator[None]:
    """As many threads as the recording had, since sums are split among them."""
    before = torch.get_num_threads()
    torch.set_num_threads(RECORDED_THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def engine(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return probing_engine(tmp_path_factory.mktemp("run"), models_dir)


@pytest.fixture(scope="module")
def references() -> dict[str, dict[str, Tensor]]:
    return read(CASES / "outputs.safetensors")


def test_every_case_has_a_recording(references: dict[str, dict[str, Tensor]]) -> None:
    assert set(PROMPTS) == set(references)
    assert len(PROMPTS) == 126


@pytest.mark.parametrize("case", PROMPTS)
def test_case(case: str, engine: Engine, references: dict[str, dict[str, Tensor]], record_property: Any) -> None:
    compare(run(engine, PROMPTS[case]), references[case], BOUNDS.get(case, BOUND), record_property)
