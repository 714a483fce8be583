"""Models keep their hooks in the order in which nodes put them on, whatever kind the hooks are of."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.weights import Weights
from nodes.diffusion.parameterization import discrete
from nodes.families.found import families
from nodes.hooks import CfgFunction, GuidancePatches, Guided, Hooks, HookSite, NetworkPatches
from nodes.values import Model


def model() -> Model:
    family = families()["sd"]
    return Model(Weights("none", torch.nn.Identity), family, discrete(), family.space)


def guide(name: str, calls: list[str]) -> CfgFunction:
    def called(_guided: Guided) -> Tensor:
        calls.append(name)
        return torch.zeros(1)

    return called


def block(name: str, calls: list[str]) -> Callable[[Tensor, HookSite], Tensor]:
    def called(hidden: Tensor, _site: HookSite) -> Tensor:
        calls.append(name)
        return hidden

    return called


def test_hooks_made_per_sampling_keep_their_place_among_the_others() -> None:
    calls: list[str] = []

    def fixed(name: str) -> Hooks:
        return Hooks(
            NetworkPatches(after_middle=(block(name, calls),)),
            GuidancePatches(after=(guide(name, calls),), keep_uncond=True),
        )

    patched = model().with_guidance(fixed("a").guidance).with_patches(fixed("a").network)
    patched = patched.with_hooks_per_sampling(lambda _: fixed("b"))
    patched = patched.with_guidance(fixed("c").guidance).with_patches(fixed("c").network)
    patched = patched.with_hooks_per_sampling(lambda _: fixed("d")).with_guidance(fixed("e").guidance)
    ready = patched.with_hooks_made(torch.Generator())
    assert ready.per_sampling == ()
    for change in ready.guidance.after:
        change(None)  # type: ignore[arg-type]
    assert calls == ["a", "b", "c", "d", "e"]
    calls.clear()
    for hook in ready.patches.after_middle:
        hook(torch.zeros(1), None)  # type: ignore[arg-type]
    assert calls == ["a", "b", "c", "d"]


def test_each_sampling_call_gets_fresh_hooks_and_goes_on_with_the_draws() -> None:
    drawn: list[int] = []

    def make(source: torch.Generator) -> Hooks:
        drawn.append(int(torch.randint(2**30, (1,), generator=source)))
        return Hooks()

    patched = model().with_hooks_per_sampling(make).with_hooks_per_sampling(make)
    for _ in range(2):
        patched.with_hooks_made(torch.Generator().manual_seed(7))
    assert drawn[:2] == drawn[2:]
    assert drawn[0] != drawn[1]
