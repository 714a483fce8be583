"""LoRAs of weights that the network keeps apart where the file has them fused, and the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.lora.layers import Layer, LowRank, Magnitude, Replacement
from nodes.diffusion.lora.loading import apply_lora
from nodes.diffusion.lora.patch import LoraPatch
from nodes.diffusion.lora.rotations import BlockRotation
from nodes.diffusion.lora.rows import PlacedRows, combined
from nodes.diffusion.name_map import NameMap, Span, fused, whole
from nodes.diffusion.parameterization import flow
from nodes.families.family import Family
from nodes.latent_space import LatentSpace
from nodes.values import Model

WIDTH = 6
PARTS = {"to_q.weight": 4, "to_k.weight": 2, "to_v.weight": 2}


def factors(rows: int, seed: int, rank: int = 2) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return torch.randn(rows, rank, generator=source), torch.randn(rank, WIDTH, generator=source)


def module_of(**rows: int) -> nn.Module:
    """Linear layers of these rows, all ones."""
    module = nn.Module()
    for name, count in rows.items():
        layer = nn.Linear(WIDTH, count, bias=False)
        nn.init.ones_(layer.weight)
        module.add_module(name, layer.requires_grad_(False))
    return module


class NamesOf:
    """A family's ``names.py`` with this map."""

    def __init__(self, names: NameMap) -> None:
        self.names = names

    def name_map(self, shapes: Mapping[str, tuple[int, ...]]) -> NameMap:
        return self.names


def model(module: nn.Module, names: NameMap, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr(Family, "names", NamesOf(names))
    space = LatentSpace(4)
    return Model(Weights("m", lambda: module), Family("x", "X", "x", (), space), flow(), space)


def patched(model: Model, tensors: Mapping[str, Tensor], folder: Path, strength: float = 1.0) -> dict[str, Tensor]:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "lora.safetensors")
    store = ModelStore("cpu", precision="float32")
    notes: list[str] = []
    strengths = {"strength_model": strength, "strength_clip": 0.0}
    changed, _ = apply_lora(store, model, None, folder / "lora.safetensors", **strengths, note=notes.append)
    assert not notes
    with store.lease(changed.weights, changed.weight_patches) as module:
        return {name: parameter.clone() for name, parameter in module.named_parameters()}


@pytest.mark.parametrize("name", ["lora_unet_block_attn_qkv", "diffusion_model.block.attn.qkv"])
def test_a_fused_lora_reaches_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    names = NameMap(fused("block.attn.qkv.weight", PARTS.items()))
    up, down = factors(8, 0)
    parts = {name.removesuffix(".weight"): rows for name, rows in PARTS.items()}
    given = {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down, f"{name}.alpha": torch.tensor(1.0)}
    found = patched(model(module_of(**parts), names, monkeypatch), given, tmp_path, strength=0.5)
    whole_weight = torch.cat([found[part] for part in PARTS])
    torch.testing.assert_close(whole_weight, 1 + 0.5 * 0.5 * up @ down)


@pytest.mark.parametrize("prefix", ["transformer.", "", "diffusion_model."])
def test_loras_of_parts_reach_the_fused_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    start, others = 0, {}
    for part, rows in PARTS.items():
        others[part] = (Span("qkv.weight", of_parameter=(start, start + rows)),)
        start += rows
    names = NameMap(whole({"qkv.weight": "qkv.weight"}), others)
    tensors, expected = {}, torch.ones(8, WIDTH)
    for number, (part, rows, first) in enumerate((("to_q", 4, 0), ("to_v", 2, 6))):
        up, down = factors(rows, number)
        tensors |= {f"{prefix}{part}.lora_B.weight": up, f"{prefix}{part}.lora_A.weight": down}
        expected[first : first + rows] += up @ down
    found = patched(model(module_of(qkv=8), names, monkeypatch), tensors, tmp_path)
    torch.testing.assert_close(found["qkv.weight"], expected)


def low_rank(rows: int) -> LowRank:
    return LowRank(*factors(rows, 3))


KINDS: dict[str, Layer | Replacement] = {
    "low rank": low_rank(8),
    "magnitudes of outputs": Magnitude(low_rank(8), torch.arange(1.0, 9.0).reshape(8, 1)),
    "replacement": Replacement(torch.randn(8, WIDTH, generator=torch.Generator().manual_seed(5))),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strength", [1.0, -0.5])
def test_rows_of_a_file_are_changed_as_the_whole_would_be(kind: str, strength: float) -> None:
    weight = torch.randn(8, WIDTH, generator=torch.Generator().manual_seed(1))
    at_once = LoraPatch({"w": KINDS[kind]}, strength, "x").apply("w", weight)
    start = 0
    for part, rows in PARTS.items():
        span = Span(part, of_file=(start, start + rows))
        layer = combined([PlacedRows(KINDS[kind], span, 8)])
        own = slice(start, start + rows)
        changed = LoraPatch({part: layer}, strength, "x").apply(part, weight[own])
        torch.testing.assert_close(changed, at_once[own], rtol=1e-5, atol=1e-5)
        start += rows


PART_KINDS: dict[str, Layer | Replacement] = {
    "low rank": low_rank(4),
    "rotation": BlockRotation(torch.randn(2, 2, 2, generator=torch.Generator().manual_seed(6))),
    "replacement": Replacement(torch.ones(4, WIDTH)),
}


@pytest.mark.parametrize("kind", PART_KINDS)
@pytest.mark.parametrize("strength", [1.0, 0.3])
def test_rows_of_a_parameter_are_changed_as_if_they_stood_alone(kind: str, strength: float) -> None:
    weight = torch.randn(8, WIDTH, generator=torch.Generator().manual_seed(1))
    alone = LoraPatch({"w": PART_KINDS[kind]}, strength, "x").apply("w", weight[2:6])
    layer = combined([PlacedRows(PART_KINDS[kind], Span("w", of_parameter=(2, 6)), 0)])
    changed = LoraPatch({"w": layer}, strength, "x").apply("w", weight)
    torch.testing.assert_close(changed[2:6], alone)
    assert torch.equal(changed[:2], weight[:2])
    assert torch.equal(changed[6:], weight[6:])


def test_of_several_changes_of_the_same_rows_the_last_counts() -> None:
    first, second = low_rank(8), replace(low_rank(8), alpha=1.0)
    assert combined([PlacedRows(first, Span("w"), 0), PlacedRows(second, Span("w"), 0)]) is second
