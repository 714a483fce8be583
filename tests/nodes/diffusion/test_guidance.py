"""Batching prompts into passes, and combining their predictions by every kind of guider and patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.errors import DeviceMemoryExhausted
from nodes.diffusion import unet
from nodes.diffusion.checkpoints import load_unet
from nodes.diffusion.guidance import Guidance, perp_neg
from nodes.diffusion.inputs import Input
from nodes.diffusion.passes import Network
from nodes.diffusion.regions import Box, Placed
from nodes.guidance import override_cfg
from nodes.hooks import CfgSpan, GuidancePatches, Guided, NetworkPatches
from nodes.sampling_values import Guider
from nodes.values import Conditioning, Model

WIDTH = 64


@pytest.fixture(scope="module")
def model(models_dir: Path) -> Model:
    return load_unet(models_dir / "checkpoints" / "tiny_sd15.safetensors")


@pytest.fixture(scope="module")
def module(model: Model) -> torch.nn.Module:
    return model.weights.build().float()


@pytest.fixture
def network(model: Model, module: torch.nn.Module) -> Network:
    return Network(module, model)


def prompt(seed: int, tokens: int = 77, batch: int = 1, **fields: Any) -> Placed:
    context = torch.randn(batch, tokens, WIDTH, generator=torch.Generator().manual_seed(seed))
    return Placed({"context": Input(context, "repeat")}, **fields)


def latent(batch: int = 1, height: int = 8, width: int = 8) -> tuple[Tensor, Tensor]:
    x = torch.randn(batch, 4, height, width, generator=torch.Generator().manual_seed(0)) * 5
    return x, torch.full((batch,), 5.0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each forward pass was given."""
    seen: list[dict[str, Any]] = []
    real = unet.predict

    def predict(module: Any, x: Tensor, timestep: Tensor, context: Tensor, **others: Any) -> Tensor:
        seen.append({"x": x, "timestep": timestep, "context": context, **others})
        return real(module, x, timestep, context, **others)

    monkeypatch.setattr(unet, "predict", predict)
    return seen


# --- passes ------------------------------------------------------------------------------------------------------


def test_prompts_of_both_roles_share_one_pass_and_lengths_are_unified(
    network: Network, calls: list[dict[str, Any]]
) -> None:
    x, sigma = latent(batch=2)
    together = network.predict({0: [prompt(1, 77)], 1: [prompt(2, 154)]}, x, sigma)
    assert len(calls) == 1
    assert calls[0]["context"].shape == (4, 154, WIDTH)
    assert calls[0]["rows"] == (1, 0)
    for role, entry in ((0, prompt(1, 77)), (1, prompt(2, 154))):
        alone = network.predict({role: [entry]}, x, sigma)[role]
        torch.testing.assert_close(together[role], alone, rtol=1e-4, atol=1e-4)


def test_lengths_too_far_apart_and_other_shapes_take_passes_of_their_own(
    network: Network, calls: list[dict[str, Any]]
) -> None:
    x, sigma = latent()
    boxed = prompt(3, box=Box(4, 4, 0, 0))
    network.predict({0: [prompt(1, 77), boxed], 1: [prompt(2, 77 * 5)]}, x, sigma)
    assert [call["x"].shape[-1] for call in calls] == [8, 4, 8]


def test_overlapping_prompts_are_averaged_by_weight(network: Network) -> None:
    x, sigma = latent()
    one, other = (network.predict({0: [prompt(seed)]}, x, sigma)[0] for seed in (1, 2))
    both = network.predict({0: [prompt(1, strength=3.0), prompt(2)]}, x, sigma)[0]
    torch.testing.assert_close(both, 0.75 * one + 0.25 * other, rtol=1e-4, atol=1e-4)


def test_nothing_active_predicts_zeros(network: Network) -> None:
    x, sigma = latent()
    predicted = network.predict({0: [prompt(1, sigma_start=1.0)], 1: None}, x, sigma)
    assert set(predicted) == {0}
    assert not predicted[0].any()


def test_a_default_prompt_fills_what_the_others_leave(network: Network) -> None:
    x, sigma = latent()
    mask = torch.zeros(1, 8, 8)
    mask[:, :, :4] = 1.0
    regional, fallback = prompt(1, mask=mask), prompt(2, default=True)
    predicted = network.predict({0: [regional, fallback]}, x, sigma)[0]
    first, second = (network.predict({0: [prompt(seed)]}, x, sigma)[0] for seed in (1, 2))
    torch.testing.assert_close(predicted[..., :4], first[..., :4], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(predicted[..., 4:], second[..., 4:], rtol=1e-4, atol=1e-4)


def test_a_default_prompt_is_not_run_where_nothing_is_left(network: Network, calls: list[dict[str, Any]]) -> None:
    x, sigma = latent()
    network.predict({0: [prompt(1), prompt(2, default=True)]}, x, sigma)
    assert calls[0]["x"].shape[0] == 1


def test_passes_are_halved_where_memory_runs_out_and_stay_so(
    network: Network, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, sigma = latent()
    roles = {0: [prompt(1), prompt(2)], 1: [prompt(3)]}
    whole = network.predict(roles, x, sigma)
    calls.clear()
    small = unet.predict

    def predict(module: Any, x: Tensor, *others: Any, **named: Any) -> Tensor:
        if x.shape[0] > 1:
            raise torch.OutOfMemoryError
        return small(module, x, *others, **named)

    monkeypatch.setattr(unet, "predict", predict)
    split = network.predict(roles, x, sigma)
    assert len(calls) == 3
    for role, prediction in whole.items():
        torch.testing.assert_close(split[role], prediction, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(unet, "predict", _out_of_memory)
    with pytest.raises(DeviceMemoryExhausted, match="one denoising step"):
        network.predict(roles, x, sigma)


def _out_of_memory(*_: Any, **__: Any) -> Tensor:
    raise torch.OutOfMemoryError


def test_inputs_are_not_written_to(network: Network) -> None:
    x, sigma = latent()
    entry = prompt(1, mask=torch.rand(1, 8, 8))
    context = entry.inputs["context"].value
    copies = [t.clone() for t in (x, sigma, context, entry.mask)]
    network.predict({0: [entry], 1: [prompt(2)]}, x, sigma)
    assert all(torch.equal(a, b) for a, b in zip(copies, (x, sigma, context, entry.mask), strict=True))


def test_extra_channels_are_cropped_with_the_box(network: Network, calls: list[dict[str, Any]]) -> None:
    x, sigma = latent()
    concat = torch.arange(5 * 64.0).view(1, 5, 8, 8)
    entry = prompt(1, box=Box(4, 4, 2, 3))
    with pytest.raises(RuntimeError, match="channels"):  # This network has none; what it was given is what counts.
        network.predict({0: [replace(entry, inputs={**entry.inputs, "channels": Input(concat, "cut")})]}, x, sigma)
    assert torch.equal(calls[0]["x"][:, 4:], concat[:, :, 2:6, 3:7])


# --- combining ---------------------------------------------------------------------------------------------------


class Canned:
    """A network that predicts a constant for each prompt: the first value of its context."""

    def __init__(self) -> None:
        self.asked: list[set[int]] = []

    def predict(
        self, roles: Mapping[int, Sequence[Placed] | None], x: Tensor, sigma: Tensor, patches: Any = None
    ) -> dict[int, Tensor]:
        given = {role: entries for role, entries in roles.items() if entries is not None}
        self.asked.append(set(given))
        return {
            role: torch.full_like(x, float(entries[0].inputs["context"].value[0, 0, 0]))
            for role, entries in given.items()
        }


def constant(value: float) -> list[Placed]:
    return [Placed({"context": Input(torch.full((1, 1, 1), value))})]


def guidance(
    model: Model, kind: Any = "cfg", cfg: float = 3.0, patches: GuidancePatches | None = None, **prompts: Any
) -> tuple[Guidance, Canned]:
    options = prompts.pop("options", {})
    model = replace(model, guidance=patches or GuidancePatches())
    placed = {role: constant(value) for role, value in prompts.items()}
    canned = Canned()
    guider = Guider(model, kind, {}, cfg, options)
    return Guidance(guider, canned, placed, lambda c: constant(c.entries), model.parameterization), canned  # type: ignore[arg-type]


def combined(guide: Guidance, keep_uncond: bool = False) -> tuple[float, float]:
    denoised, uncond = guide(*latent(), keep_uncond)
    assert denoised.unique().numel() == 1
    return denoised.flatten()[0].item(), uncond.flatten()[0].item()


def test_cfg_extrapolates_from_the_negative_prediction(model: Model) -> None:
    guide, _ = guidance(model, positive=2.0, negative=0.5)
    assert combined(guide) == (0.5 + 3 * 1.5, 0.5)


def test_cfg_1_skips_the_negative_prompt_unless_asked(model: Model) -> None:
    guide, canned = guidance(model, cfg=1.0, positive=2.0, negative=0.5)
    assert combined(guide) == (2.0, 0.0)
    assert combined(guide, keep_uncond=True) == (2.0, 0.5)
    assert canned.asked == [{0}, {0, 1}]
    kept, canned = guidance(model, cfg=1.0, patches=GuidancePatches(keep_uncond=True), positive=2.0, negative=0.5)
    assert combined(kept) == (2.0, 0.5)


def test_a_basic_guider_has_a_negative_prediction_of_zeros(model: Model) -> None:
    guide, _ = guidance(model, "basic", cfg=1.0, positive=2.0)
    assert combined(guide, keep_uncond=True) == (2.0, 0.0)


@pytest.mark.parametrize(
    ("spans", "cfg"),
    [
        ([(7.0, 9.0, 4.0)], 7.0),
        ([(7.0, 4.9, 4.0)], 3.0),
        ([(7.0, 9.0, 4.0), (2.0, 5.0, 0.0)], 2.0),
        ([(7.0, 9.0, 4.0), (2.0, 4.0, 0.0)], 7.0),
    ],
)
def test_the_scale_is_another_within_spans_of_noise_levels(model: Model, spans: Any, cfg: float) -> None:
    patches = sum((GuidancePatches(cfg_within=(CfgSpan(*span),)) for span in spans), GuidancePatches())
    guide, _ = guidance(model, patches=patches, positive=2.0, negative=0.5)
    assert combined(guide) == (0.5 + cfg * 1.5, 0.5)


def test_a_scale_of_1_within_a_span_skips_the_negative_prompt_there(model: Model) -> None:
    high, low = (model.parameterization.percent_to_sigma(percent) for percent in (0.0, 0.9))
    patched = override_cfg(None, model=model, cfg=1.0, end_percent=0.9)  # type: ignore[arg-type]
    assert patched.guidance.cfg_within == (CfgSpan(1.0, high, low),)
    guide, canned = guidance(model, patches=patched.guidance, positive=2.0, negative=0.5)
    assert combined(guide) == (2.0, 0.0)
    assert canned.asked == [{0}]


def test_patches_run_in_order_around_the_formula(model: Model) -> None:
    def add(value: float) -> Any:
        return lambda guided: replace(guided, cond=guided.cond + value)

    patches = GuidancePatches(
        before=(add(1.0), lambda guided: replace(guided, cond=guided.cond * 2)),
        combine=lambda guided: guided.cond * guided.cfg,
        after=(lambda guided: guided.denoised + 1, lambda guided: guided.denoised * 10 + guided.uncond),
    )
    guide, _ = guidance(model, patches=patches, positive=2.0, negative=0.5)
    assert combined(guide) == (((2 + 1) * 2 * 3 + 1) * 10 + 0.5, 0.5)


def test_a_patch_can_predict_once_more(model: Model) -> None:
    seen: list[float] = []

    def more(guided: Guided) -> Tensor:
        other = guided.predict(Conditioning(7.0), NetworkPatches())  # type: ignore[arg-type]
        again = guided.predict(guided.negative, NetworkPatches(), x=guided.x + 1)
        seen.extend([other.flatten()[0].item(), again.flatten()[0].item()])
        return guided.denoised

    guide, canned = guidance(model, patches=GuidancePatches(after=(more,)), positive=2.0, negative=0.5)
    combined(guide)
    assert seen == [7.0, 0.5]
    assert canned.asked[1:] == [{0}, {1}]


@pytest.mark.parametrize(
    ("inner", "outer", "nested", "expected", "asked"),
    [
        (3.0, 2.0, False, (1.0 + (2.0 - 1.0) * 2) + (5.0 - 2.0) * 3, {0, 1, 2}),
        (3.0, 1.0, False, 2.0 + (5.0 - 2.0) * 3, {0, 2}),
        (1.0, 1.0, False, 5.0, {0}),
        (3.0, 2.0, True, 1.0 + ((2.0 + (5.0 - 2.0) * 3) - 1.0) * 2, {0, 1, 2}),
    ],
)
def test_dual_cfg(model: Model, inner: float, outer: float, nested: bool, expected: float, asked: set[int]) -> None:
    options = {"cfg_negative": outer, "nested": nested}
    guide, canned = guidance(model, "dual_cfg", inner, positive=5.0, middle=2.0, negative=1.0, options=options)
    assert combined(guide)[0] == pytest.approx(expected)
    assert canned.asked == [asked]


def test_perp_neg_ignores_what_the_negative_shares_with_the_positive() -> None:
    empty = torch.zeros(1, 2, 1, 1)
    positive = torch.tensor([2.0, 0.0]).view(1, 2, 1, 1)
    slanted = torch.tensor([5.0, 3.0]).view(1, 2, 1, 1)
    result = perp_neg(positive, slanted, empty, 0.5, 4.0)
    torch.testing.assert_close(result.flatten(), torch.tensor([8.0, -6.0]))


def test_perp_neg_guider_counts_the_negative_by_its_scale(model: Model) -> None:
    patches = GuidancePatches(after=(lambda guided: guided.denoised + guided.uncond,))
    guide, canned = guidance(
        model, "perp_neg", 4.0, patches, positive=3.0, negative=2.0, empty=1.0, options={"neg_scale": 1.0}
    )
    # Constants are parallel, so nothing of the negative prompt is left but what the patch adds.
    denoised, uncond = combined(guide)
    assert denoised == pytest.approx(1.0 + 4.0 * 2.0 + 2.0, rel=1e-5)
    assert uncond == 2.0
    assert canned.asked == [{0, 1, 2}]
