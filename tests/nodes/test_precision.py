"""Pictures in bfloat16 and float16 stay near the one in float32.

On the tiny SD1.5 only: the tiny SDXL's attention is so sharp that any rounding gives it another picture.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine import devices
from engine.model_store import ModelStore
from nodes.diffusion import weights
from tests.nodes.drawing import drawn

CHECKPOINT = "tiny_sd15.safetensors"
# Relative L2 distances of (latent, pixels). Measured: bfloat16 0.031 and 0.015, float16 0.0041 and 0.0021.
BOUNDS = {"bfloat16": (0.08, 0.04), "float16": (0.010, 0.005)}


@pytest.mark.parametrize("precision", BOUNDS)
def test_lower_precisions_stay_near(models_dir: Path, precision: str) -> None:
    exact = drawn(models_dir, ModelStore("cpu", "float32"), CHECKPOINT)
    rough = drawn(models_dir, ModelStore("cpu", precision), CHECKPOINT)
    for near, far, bound in zip(exact, rough, BOUNDS[precision], strict=True):
        assert far.dtype == torch.float32
        assert 0 < float((far - near).norm() / near.norm()) < bound


def test_large_networks_on_a_cpu_that_is_quick_with_bfloat16(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ModelStore("cpu")
    exact = drawn(models_dir, store, CHECKPOINT)
    whole = _bytes_held(store)
    monkeypatch.setattr(devices, "quick_bfloat16", lambda: True)
    monkeypatch.setattr(weights, "HEAVY_PARAMETERS", 1)
    store = ModelStore("cpu")
    rough = drawn(models_dir, store, CHECKPOINT)
    for near, far, bound in zip(exact, rough, BOUNDS["bfloat16"], strict=True):
        assert 0 < float((far - near).norm() / near.norm()) < bound
    assert _bytes_held(store) == {
        label: size_bytes // 2 if label.endswith("UNet") else size_bytes for label, size_bytes in whole.items()
    }


def _bytes_held(store: ModelStore) -> dict[str, int]:
    return {held.label: held.bytes_held for held in store.stats()}
