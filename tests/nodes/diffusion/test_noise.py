"""Noise: which numbers a seed gives, and that a Brownian path is one path."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.computing import StepNoise
from nodes.diffusion import noise

MAX_SEED = 2**64 - 1
SHAPE = (3, 4, 8, 8)


@given(st.integers(0, MAX_SEED))
@settings(max_examples=20, deadline=None)
def test_initial_noise_is_torchs_for_the_seed(seed: int) -> None:
    expected = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(noise.initial(SHAPE, seed), expected)


def test_no_seed_is_no_noise() -> None:
    assert not noise.initial(SHAPE, None).any()


def test_initial_noise_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    noise.initial(SHAPE, 1)
    noise.independent(torch.zeros(SHAPE), 1)(torch.tensor(2.0), torch.tensor(1.0))
    noise.brownian(torch.zeros(SHAPE), torch.tensor([2.0, 1.0]), 1)(torch.tensor(2.0), torch.tensor(1.0))
    assert torch.equal(torch.get_rng_state(), state)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_batch_index_picks_from_the_sequence_of_a_seed(places: list[int]) -> None:
    source = torch.Generator().manual_seed(11)
    sequence = [torch.randn((1, 4, 8, 8), generator=source) for _ in range(7)]
    picked = noise.initial((len(places), 4, 8, 8), 11, tuple(places))
    assert torch.equal(picked, torch.cat([sequence[place] for place in places]))


@pytest.mark.parametrize(("drawn_where", "seed"), [("device", 6), ("cpu", 6), ("cpu-0.3", 5)])
def test_step_noise_on_a_cpu_is_the_next_seeds_and_was_the_seeds_own(drawn_where: StepNoise, seed: int) -> None:
    x = torch.zeros(SHAPE, dtype=torch.float64)
    source = torch.Generator().manual_seed(seed)
    draw = noise.independent(x, 5, drawn_where)
    for _ in range(3):
        made = draw(torch.tensor(2.0), torch.tensor(1.0))
        assert made.dtype == torch.float64
        assert torch.equal(made, torch.randn(SHAPE, generator=source).double())


def test_step_noise_after_the_last_seed_is_the_firsts() -> None:
    draw = noise.independent(torch.zeros(SHAPE), MAX_SEED)
    assert torch.equal(draw(torch.tensor(2.0), torch.tensor(1.0)), noise.initial(SHAPE, 0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: noise drawn there")
@pytest.mark.parametrize("drawn_where", ["device", "cpu"])
def test_step_noise_on_a_gpu_is_drawn_there_or_is_the_cpus(drawn_where: StepNoise) -> None:
    x, levels = torch.zeros(SHAPE, device="cuda"), (torch.tensor(2.0), torch.tensor(1.0))
    made = noise.independent(x, 5, drawn_where)(*levels)
    there = torch.randn(SHAPE, generator=torch.Generator("cuda").manual_seed(5), device="cuda")
    assert torch.equal(made, there if drawn_where == "device" else noise.initial(SHAPE, 6).cuda())
    path = noise.brownian(x, torch.tensor([2.0, 1.0]), 5, noise.step_noise_device(x, drawn_where))(*levels)
    on_cpu = noise.brownian(x, torch.tensor([2.0, 1.0]), 5)(*levels)
    assert path.device == on_cpu.device == x.device
    assert torch.equal(path, on_cpu) == (drawn_where == "cpu")


def test_noise_around_a_mask_is_the_next_seeds() -> None:
    assert torch.equal(noise.inpainting(SHAPE, 4), noise.initial(SHAPE, 5))
    assert torch.equal(noise.inpainting(SHAPE, MAX_SEED), noise.initial(SHAPE, 0))


def test_after_initial_goes_on_where_the_initial_noise_stopped() -> None:
    source = torch.Generator().manual_seed(3)
    torch.randn(SHAPE, generator=source)
    draw = noise.after_initial(torch.zeros(SHAPE), 3)
    assert torch.equal(draw((1, 2, 4, 4)), torch.randn((1, 2, 4, 4), generator=source))


@given(st.integers(0, MAX_SEED), st.lists(st.floats(0.1, 9.9), min_size=1, max_size=5, unique=True))
@settings(max_examples=25, deadline=None)
def test_a_brownian_path_is_the_same_however_it_is_cut(seed: int, cuts: list[float]) -> None:
    sigmas = torch.tensor([10.0, 0.05, 0.0])
    x = torch.zeros(1, 2, 4, 4)
    levels = torch.tensor([10.0, *sorted(cuts, reverse=True), 0.05])
    whole = noise.brownian(x, sigmas, seed)(levels[0], levels[-1]) * (levels[0] - levels[-1]).sqrt()
    draw = noise.brownian(x, sigmas, seed)
    parts = sum(draw(a, b) * (a - b).sqrt() for a, b in pairwise(levels) if a > b)
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-3)


def test_brownian_increments_have_unit_variance() -> None:
    draw = noise.brownian(torch.zeros(1, 4, 64, 64), torch.tensor([14.6, 0.03, 0.0]), 9)
    for start, end in ((14.6, 10.0), (10.0, 9.0), (9.0, 0.5), (0.5, 0.03)):
        made = draw(torch.tensor(start), torch.tensor(end))
        assert float(made.std()) == pytest.approx(1.0, abs=0.03)
        assert float(made.mean()) == pytest.approx(0.0, abs=0.03)


def test_a_brownian_path_upwards_is_the_path_downwards_reversed() -> None:
    draw = noise.brownian(torch.zeros(1, 2, 4, 4), torch.tensor([5.0, 1.0]), 2)
    down, up = draw(torch.tensor(4.0), torch.tensor(2.0)), draw(torch.tensor(2.0), torch.tensor(4.0))
    assert torch.equal(down, -up)


def test_a_brownian_path_needs_a_level() -> None:
    with pytest.raises(ValueError, match="positive sigma"):
        noise.brownian(torch.zeros(SHAPE), torch.tensor([0.0]), 1)
