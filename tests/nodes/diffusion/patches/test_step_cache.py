"""Steps that are left out where the output changes little: when, for which prompts, and what stands in for them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from nodes.diffusion.parameterization import flow
from nodes.diffusion.patches.step_cache import EasyCache, LazyCache, Window
from nodes.hooks import Call

SIGMAS = torch.linspace(1, 0, 13)[:-1]
SHAPE = (1, 2, 16, 16)


class Network:
    """Gives twice its input plus one and counts its runs, by prompt."""

    def __init__(self) -> None:
        self.runs: list[tuple[Hashable, ...]] = []

    def steps(self, cache: EasyCache, prompts: Sequence[tuple[Hashable, ...]], sigmas: Tensor = SIGMAS) -> list[Tensor]:
        """Outputs of steps whose input moves by a tenth each; ``prompts``: the groups of each pass of a step."""
        made = []
        for number, sigma in enumerate(sigmas.tolist()):
            for groups in prompts:
                x = torch.full((len(groups), *SHAPE[1:]), 1 + number / 10)

                def run(x: Tensor, groups: tuple[Hashable, ...] = groups) -> Tensor:
                    self.runs.append(groups)
                    return 2 * x + 1

                made.append(cache(run, x, Call(sigma=sigma, prompts=groups)))
        return made


def window(threshold: float, start: float = 0.15, end: float = 0.95) -> Window:
    return Window.of(flow(1.0, 1.0), threshold, start, end, verbose=False)


def test_without_a_threshold_each_step_runs() -> None:
    network = Network()
    network.steps(EasyCache(window(0.0)), [("a",)])
    assert len(network.runs) == len(SIGMAS)


def test_steps_are_left_out_until_their_changes_add_up() -> None:
    network = Network()
    made = network.steps(EasyCache(window(0.2)), [("a",)])
    # In the window, from sigma 0.85 on, two runs tell the rate: 2 for each unit of input. Then the input is 0.1, 0.2
    # and 0.3 from the last one that was run, whose output is 3.6: 0.056, 0.111 and 0.167 add up to over 0.2.
    ran = [i for i, _ in enumerate(SIGMAS) if torch.equal(made[i], 2 * torch.full(SHAPE, 1 + i / 10) + 1)]
    assert ran == [0, 1, 2, 3, 6, 9] and len(network.runs) == len(ran)
    # What stands in for a step is its input and how far the last output was from its own.
    leap = made[3] - (1 + 3 / 10)
    for i in (4, 5):
        assert torch.allclose(made[i], torch.full(SHAPE, 1 + i / 10) + leap)


def test_all_prompts_follow_the_first_one() -> None:
    network = Network()
    network.steps(EasyCache(window(0.2)), [("a",), ("b", "c")])
    assert network.runs.count(("a",)) == network.runs.count(("b", "c")) == 6


def test_a_prompt_that_was_not_seen_before_is_computed() -> None:
    network, cache = Network(), EasyCache(window(3.0))
    network.steps(cache, [("a",)], SIGMAS[:6])
    before = len(network.runs)
    network.steps(cache, [("a",), ("new",)], SIGMAS[6:7])
    assert network.runs[before:] == [("new",)]


def test_outside_the_window_each_step_runs() -> None:
    network = Network()
    network.steps(EasyCache(window(3.0, start=0.4, end=0.6)), [("a",)])
    skipped = len(SIGMAS) - len(network.runs)
    inside = int(((SIGMAS <= 0.6) & (SIGMAS > 0.4)).sum())
    assert 0 < skipped <= inside - 2


def test_whole_steps_are_left_out_with_their_guidance() -> None:
    cache, runs = LazyCache(window(0.2)), 0

    def run(x: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal runs
        runs += 1
        return 2 * x + 1, x

    for number, sigma in enumerate(SIGMAS.tolist()):
        x = torch.full(SHAPE, 1 + number / 10)
        made, uncond = cache(run, x, sigma)
        assert made.shape == uncond.shape == x.shape
    assert 2 < runs < len(SIGMAS)
