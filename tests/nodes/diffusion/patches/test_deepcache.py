"""DeepCache: which passes leave out the inner blocks, and that the picture stays close with every kind of sampler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.context import Context
from engine.folders import Folders
from engine.model_store import ModelStore
from nodes.diffusion import sampling, schedules
from nodes.diffusion.checkpoints import load_unet
from nodes.diffusion.patches.deepcache import DeepCache, deepcache
from nodes.hooks import Hooks, NetworkPatches
from nodes.model_patches import deep_cache
from nodes.sampling_values import Guider, Sampler
from nodes.values import Cond, Conditioning, Latent, Model

CTX = Context(Folders(), ModelStore("cpu", precision="float32"))
SHAPE = torch.Size([2, 4, 8, 8])


@pytest.fixture(scope="module")
def model(models_dir: Path) -> Model:
    return load_unet(models_dir / "checkpoints" / "tiny_sd15.safetensors")


def sample(model: Model, sampler: str = "euler", steps: int = 6, cond: Conditioning | None = None) -> Tensor:
    prompts = [
        Conditioning((Cond(torch.randn(1, 77, 64, generator=torch.Generator().manual_seed(seed))),)) for seed in (1, 2)
    ]
    guide = Guider(model, "cfg", {"positive": cond or prompts[0], "negative": prompts[1]}, 4.0)
    levels = schedules.sampler_sigmas(model.parameterization, sampler, "normal", steps)
    empty = Latent(torch.zeros(1, 4, 8, 8))
    return sampling.sample(CTX, guide, Sampler(sampler), levels, empty, noise_seed=5, seed=5).output.samples


class Counted(DeepCache):
    """Notes at which levels the inner blocks ran."""

    def __init__(self, *given: int) -> None:
        super().__init__(*given)
        self.ran: list[int] = []

    def keep(self, hidden: Tensor) -> None:
        self.ran.append(self._level)
        super().keep(hidden)


def counted(model: Model, *given: int) -> tuple[Model, Counted]:
    cache = Counted(*given)
    return model.with_hooks_per_sampling(lambda _: Hooks(network=NetworkPatches(deep=(cache,)))), cache


@pytest.mark.parametrize(
    ("given", "ran"),
    [
        ((1, 1, 0, 1000), [0, 1, 2, 3, 4, 5]),
        ((2, 1, 0, 1000), [0, 2, 4]),
        ((3, 1, 0, 1000), [0, 3]),
        ((3, 1, 2, 1000), [0, 1, 2, 5]),
        ((10, 1, 0, 3), [0, 4, 5]),
    ],
)
def test_the_inner_blocks_run_at_every_nth_level_of_the_range(
    model: Model, given: tuple[int, ...], ran: list[int]
) -> None:
    patched, cache = counted(model, *given)
    sample(patched)
    assert cache.ran == ran


def test_an_interval_of_one_changes_nothing(model: Model) -> None:
    assert torch.equal(sample(deep_cache(CTX, model=model, cache_interval=1)), sample(model))


@pytest.mark.parametrize("depth", [0, 1, 3, 12])
def test_any_depth_gives_a_picture_near_the_exact_one(model: Model, depth: int) -> None:
    exact = sample(model, steps=12)
    cached = sample(deep_cache(CTX, model=model, cache_interval=2, cache_depth=depth), steps=12)
    distance = float((cached - exact).norm() / exact.norm())
    assert 0 < distance < 0.5


def test_what_is_recalled_replaces_the_inner_blocks(model: Model) -> None:
    """Kept features of zeros give another picture: they are really used."""

    class Zeros(DeepCache):
        def keep(self, hidden: Tensor) -> None:
            super().keep(torch.zeros_like(hidden))

    patched = model.with_hooks_per_sampling(lambda _: Hooks(network=NetworkPatches(deep=(Zeros(2, 1, 0, 1000),))))
    assert not torch.allclose(sample(patched), sample(deep_cache(CTX, model=model, cache_interval=2, cache_depth=1)))


@pytest.mark.parametrize(
    "sampler", ["heun", "dpm_2", "dpmpp_2m", "dpmpp_sde", "dpmpp_3m_sde", "uni_pc", "res_multistep", "dpm_adaptive"]
)
def test_it_works_with_samplers_of_every_kind(model: Model, sampler: str) -> None:
    cached = sample(deep_cache(CTX, model=model, cache_interval=2), sampler)
    assert cached.isfinite().all()
    assert torch.equal(cached, sample(deep_cache(CTX, model=model, cache_interval=2), sampler))


def test_nothing_is_remembered_from_one_sampling_call_to_the_next(model: Model) -> None:
    patched = deep_cache(CTX, model=model, cache_interval=3)
    first = sample(patched)
    sample(patched, steps=3)
    assert torch.equal(sample(patched), first)


def test_passes_of_one_level_are_kept_apart() -> None:
    cache = deepcache(2, 1, 0, 1000).network.deep[0]
    made = {}
    for number in range(2):
        assert cache.recall(SHAPE, (0,), 9.0) is None
        made[number] = torch.full((1,), float(number))
        cache.keep(made[number])
    assert [cache.recall(SHAPE, (0,), 8.0) is made[number] for number in range(2)] == [True, True]
    assert cache.recall(SHAPE, (0,), 8.0) is None, "a third pass that the level before did not have"


def test_another_size_or_other_rows_run_the_inner_blocks(model: Model) -> None:
    cache: Any = deepcache(2, 1, 0, 1000).network.deep[0]
    cache.recall(SHAPE, (0, 1), 9.0)
    cache.keep(torch.zeros(1))
    assert cache.recall(torch.Size([2, 4, 8, 16]), (0, 1), 8.0) is None
    cache = deepcache(2, 1, 0, 1000).network.deep[0]
    cache.recall(SHAPE, (0, 1), 9.0)
    cache.keep(torch.zeros(1))
    assert cache.recall(SHAPE, (0,), 8.0) is None
