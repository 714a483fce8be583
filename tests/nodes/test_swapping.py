"""Checkpoints take turns under a budget that holds two of them: every picture stays as it was."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from engine.model_store import ModelStore
from tests.nodes.drawing import drawn

NAMES = [f"model{number}.safetensors" for number in range(4)]
BIAS = "model.diffusion_model.out.2.bias"


def write_checkpoints(source: Path, folder: Path) -> None:
    """Four checkpoints of different UNets and the same text encoder and VAE."""
    folder.mkdir()
    tensors = load_file(source)
    for number, name in enumerate(NAMES):
        save_file(tensors | {BIAS: tensors[BIAS] + number}, folder / name)


def unets(store: ModelStore) -> list[int]:
    """Bytes of each UNet that is held."""
    return [one.bytes_held for one in store.stats() if one.key.startswith("unet")]


def test_four_checkpoints_take_turns_under_a_budget_that_holds_two(models_dir: Path, tmp_path: Path) -> None:
    write_checkpoints(models_dir / "checkpoints" / "tiny_sd15.safetensors", tmp_path / "checkpoints")
    roomy = ModelStore("cpu", "float32")
    expected = {name: drawn(tmp_path, roomy, name, steps=2)[1] for name in NAMES}
    assert len(unets(roomy)) == 4
    assert len(roomy.stats()) == 4 + 2, "the text encoders are held once, and the VAEs"
    assert len({tuple(pixels.flatten().tolist()) for pixels in expected.values()}) == 4

    shared = roomy.held_bytes - sum(unets(roomy))
    tight = ModelStore("cpu", "float32", ram_budget_bytes=2 * unets(roomy)[0] + shared)
    for name in [*NAMES, *NAMES]:
        assert torch.equal(drawn(tmp_path, tight, name, steps=2)[1], expected[name])
        assert tight.held_bytes <= tight.budget_bytes
        assert len(unets(tight)) <= 2
    assert tight.loads == 2 * 4 + 2, "each UNet comes back each round, what they share comes once"
