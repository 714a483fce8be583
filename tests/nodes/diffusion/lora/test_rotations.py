"""Orthogonal finetuning against what its papers promise: rotations, of blocks, of outputs far apart."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nodes.diffusion.lora.layers import Layer, Magnitude
from nodes.diffusion.lora.patch import LoraPatch
from nodes.diffusion.lora.rotations import BlockRotation, ButterflyRotation, cayley

KERNELS = st.sampled_from([(), (1, 1), (3, 3)])
SEEDS = st.integers(0, 2**32 - 1)
EXACT = {"rtol": 1e-4, "atol": 1e-5}


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def changed(layer: Layer, weight: Tensor, strength: float = 1.0) -> Tensor:
    return LoraPatch({"w": layer}, strength, "a file").apply("w", weight)


@given(SEEDS, st.integers(1, 8), st.sampled_from([0.0, 0.1, 3.0]))
def test_cayley_gives_rotations(seed: int, size: int, constraint: float) -> None:
    one = torch.eye(size)
    turn = one + cayley(random(seed, 3, size, size), constraint)
    torch.testing.assert_close(turn @ turn.mT, one.expand(3, size, size), **EXACT)
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(3), **EXACT)


@given(SEEDS, st.floats(0.01, 20.0))
def test_cayley_keeps_the_norm_of_all_blocks_within_the_constraint(seed: int, constraint: float) -> None:
    blocks, one = random(seed, 2, 4, 4), torch.eye(4)
    turn = one + cayley(blocks, constraint)
    skew = torch.linalg.solve(turn + one, turn - one)  # Cayley's transform is its own inverse, but for signs
    norm = (blocks - blocks.mT).norm()
    torch.testing.assert_close(skew.norm(), norm.clamp(max=constraint), rtol=1e-3, atol=1e-4)


@given(SEEDS, st.integers(1, 3), st.sampled_from([1, 2, 4]), KERNELS)
def test_a_block_rotation_keeps_the_angles_within_each_block(
    seed: int, count: int, size: int, kernel: tuple[int, ...]
) -> None:
    weight = random(seed, count * size, 3, *kernel)
    after = changed(BlockRotation(random(seed + 1, count, size, size)), weight)
    for old, new in zip(weight.split(size), after.split(size), strict=True):
        a, b = old.flatten(1), new.flatten(1)
        torch.testing.assert_close(b.T @ b, a.T @ a, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("strength", [0.5, -0.7, 2.0])
def test_a_block_rotation_changes_by_the_square_of_its_strength(strength: float) -> None:
    weight, layer = random(0, 8, 3), BlockRotation(random(1, 2, 4, 4))
    whole = changed(layer, weight) - weight
    torch.testing.assert_close(changed(layer, weight, strength) - weight, strength**2 * whole, **EXACT)


def butterfly(turns: Tensor, part: float) -> Tensor:
    """The paper's product of sparse factors, written out: level by level, a matrix of all outputs."""
    levels, count, size, _ = turns.shape
    product = torch.eye(count * size)
    for level in range(levels):
        distance = size // 2 * 2**level
        factor, order = torch.zeros(count * size, count * size), []
        for start in range(0, count * size, 2 * distance):
            order += [output for i in range(start, start + distance) for output in (i, i + distance)]
        for block in range(count):
            members = torch.tensor(order[block * size : (block + 1) * size])
            factor[members[:, None], members] = part * turns[level, block] + (1 - part) * torch.eye(size)
        product = factor @ product
    return product


@given(SEEDS, st.integers(1, 4), st.sampled_from([2, 4]), st.sampled_from([1.0, 0.5, -0.7]), KERNELS)
def test_a_butterfly_is_the_product_of_its_factors(
    seed: int, levels: int, size: int, strength: float, kernel: tuple[int, ...]
) -> None:
    blocks = random(seed, min(levels, 5 - size // 2), 16 // size, size, size)
    weight, rescale = random(seed + 1, 16, 3, *kernel), 1 + 0.2 * random(seed + 2, 16, 1, *[1] * len(kernel))
    whole = butterfly(torch.eye(size) + cayley(blocks, 2.0), strength)
    turned = (whole @ weight.flatten(1)).reshape(weight.shape) * rescale
    found = changed(ButterflyRotation(blocks, rescale, constraint=2.0), weight, strength)
    torch.testing.assert_close(found, weight + strength * (turned - weight), rtol=1e-3, atol=1e-4)


def test_a_butterfly_of_all_levels_turns_every_output_into_every_other() -> None:
    whole = torch.eye(16) + ButterflyRotation(random(0, 4, 8, 2, 2)).delta(torch.eye(16))
    assert whole.abs().min() > 1e-6
    torch.testing.assert_close(whole @ whole.T, torch.eye(16), **EXACT)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_magnitude_multiplies_the_difference_of_a_rotation_by_its_constraint(strength: float) -> None:
    weight, scale, constraint = random(0, 8, 3), 1 + random(1, 8, 1).abs(), 0.5
    rotation = BlockRotation(random(2, 2, 4, 4), constraint)
    whole = changed(rotation, weight) - weight
    direction = (weight + constraint * strength * whole) / weight.norm(dim=1, keepdim=True)
    found = changed(Magnitude(rotation, scale, gain=constraint), weight, strength)
    torch.testing.assert_close(found, weight + strength * (direction * scale - weight), **EXACT)


@pytest.mark.parametrize(
    "layer",
    [
        BlockRotation(torch.zeros(2, 4, 4)),
        BlockRotation(torch.zeros(3, 2, 2)),
        ButterflyRotation(torch.zeros(1, 2, 4, 4)),
        ButterflyRotation(torch.zeros(3, 3, 4, 4)),
        ButterflyRotation(torch.zeros(1, 3, 4, 4), rescale=torch.ones(8, 1)),
    ],
)
def test_blocks_for_another_number_of_outputs_do_not_fit(layer: Layer) -> None:
    with pytest.raises(RuntimeError):
        layer.delta(torch.zeros(12, 6))


@pytest.mark.parametrize("layer", [BlockRotation(torch.ones(2, 4, 4)), ButterflyRotation(torch.ones(2, 2, 4, 4))])
def test_a_weight_on_the_meta_device_tells_the_shape_alone(layer: Layer) -> None:
    """So files are checked without computing, with a constraint too."""
    with torch.device("meta"):
        found = changed(layer, torch.empty(8, 3, 3, 3))
    assert (found.shape, found.device.type) == ((8, 3, 3, 3), "meta")
