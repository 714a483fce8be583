"""Which kernel is taken: by the settings, by what is installed, by what was measured."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.computing import Computing
from engine.errors import DagfusionError
from engine.model_store import ModelStore
from nodes.diffusion.kernels import choice, sage, sdpa
from nodes.diffusion.kernels.choice import Forced, Probed, mix_for
from nodes.diffusion.kernels.probe import Case, ProbeResult, judge
from nodes.diffusion.kernels.sage import Sage
from tests.nodes.drawing import drawn

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
GOOD, SLOW, FAR = ProbeResult(0.01, 0.5), ProbeResult(0.01, 1.5), ProbeResult(0.2, 0.5)
Install = Callable[[str], None]


def heads(tokens: int, width: int = 64, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    return torch.randn(1, 1, tokens, width, generator=torch.Generator().manual_seed(tokens)).to(dtype)


class Judge:
    """Says the same of every case, and remembers them."""

    def __init__(self, verdict: ProbeResult) -> None:
        self.verdict, self.asked = verdict, list[Case]()

    def __call__(self, kernel: Sage, case: Case) -> ProbeResult:
        self.asked.append(case)
        return self.verdict


class Counted:
    """A kernel that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        self.calls += 1
        return sdpa.mix(q, k, v)

    def sage(self) -> Sage:
        return Sage("SageAttention 9", self, (64,), frozenset({torch.bfloat16, torch.float32}))


def test_without_a_gpu_nothing_is_imported(install: Install) -> None:
    install("2")
    assert mix_for(CPU, "auto") is sdpa.mix
    assert mix_for(CUDA, "sdpa") is sdpa.mix
    assert "sageattention" not in sys.modules


def test_sage_where_it_cannot_be(install: Install, models_dir: Path) -> None:
    install("2")
    with pytest.raises(DagfusionError, match=r"needs an NVIDIA GPU, and networks run on 'cpu' \(take --attention auto"):
        mix_for(CPU, "sage")
    store = ModelStore("cpu", computing=Computing(attention="sage"))
    with pytest.raises(DagfusionError, match="needs an NVIDIA GPU"):
        drawn(models_dir, store, "tiny_sd15.safetensors")


def test_on_a_gpu_by_what_is_installed(
    install: Install, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.INFO), pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda _name: None)
        assert mix_for(CUDA, "auto") is mix_for(CUDA, "auto") is sdpa.mix
        with pytest.raises(DagfusionError, match="SageAttention is not installed"):
            mix_for(CUDA, "sage")
    assert [record.message for record in caplog.records] == ["attention by torch: SageAttention is not installed"]
    install("2")
    mix_for.cache_clear()
    assert isinstance(mix_for(CUDA, "auto"), Probed)
    monkeypatch.setattr(choice, "judge", Judge(SLOW))  # is no reason against what is asked for
    assert isinstance(mix_for(CUDA, "sage"), Forced)
    mix_for.cache_clear()
    monkeypatch.setattr(choice, "judge", Judge(ProbeResult(failure="it fails: Unsupported CUDA architecture: sm70")))
    with pytest.raises(DagfusionError, match="does not run on 'cuda:0': it fails: Unsupported CUDA architecture"):
        mix_for(CUDA, "sage")


def test_each_case_is_tried_once(caplog: pytest.LogCaptureFixture) -> None:
    kernel, judge = Counted(), Judge(GOOD)
    mix = Probed(kernel.sage(), judge)
    for tokens in (256, 300, 511, 512):
        assert torch.equal(
            mix(heads(tokens), heads(tokens), heads(tokens)), sdpa.mix(heads(tokens), heads(tokens), heads(tokens))
        )
    assert kernel.calls == 4
    assert judge.asked == [Case(CPU, torch.bfloat16, 64, tokens) for tokens in (256, 512)]
    assert not caplog.records


@pytest.mark.parametrize(("verdict", "reason"), [(SLOW, "1.50 of torch's time"), (FAR, "off by 0.200, and 0.03 is")])
def test_what_does_not_pay_is_left_out_with_one_line(
    verdict: ProbeResult, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    kernel = Counted()
    mix = Probed(kernel.sage(), Judge(verdict))
    for tokens in (256, 1024, 2048):
        mix(heads(tokens), heads(tokens), heads(tokens))
    assert kernel.calls == 0
    (record,) = caplog.records
    assert "SageAttention 9 is left out, for heads 64 wide at 256 tokens for one: it " in record.message
    assert reason in record.message


@pytest.mark.parametrize(
    ("queries", "keys", "width", "dtype"),
    [
        (4096, 77, 64, torch.bfloat16),  # a prompt: too little to do
        (64, 64, 64, torch.bfloat16),
        (1024, 1024, 160, torch.bfloat16),  # wider than the kernel
        (1024, 1024, 64, torch.float32),  # asked to be exact
    ],
)
def test_what_is_not_even_tried(queries: int, keys: int, width: int, dtype: torch.dtype) -> None:
    kernel, judge = Counted(), Judge(GOOD)
    Probed(kernel.sage(), judge)(heads(queries, width, dtype), heads(keys, width, dtype), heads(keys, width, dtype))
    assert (kernel.calls, judge.asked) == (0, [])


class TestJudge:
    case = Case(CPU, torch.bfloat16, 40, 256)

    def test_an_exact_kernel_is_near(self, install: Install) -> None:
        install("2")
        verdict = judge(sage.installed(), self.case)
        assert 0 < verdict.distance < 0.01  # bfloat16's own rounding
        assert verdict.ratio > 0
        assert not verdict.failure

    def test_a_kernel_that_is_far_off(self) -> None:
        def rough(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
            return sdpa.mix(q, k, v * 1.1)

        verdict = judge(Sage("rough", rough, (64,), frozenset({torch.bfloat16})), self.case)
        assert 0.05 < verdict.distance < 0.5
        assert not verdict.good
        assert "is allowed" in str(verdict)

    def test_a_kernel_without_sense(self) -> None:
        def broken(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
            return q * float("nan")

        assert not judge(Sage("broken", broken, (64,), frozenset({torch.bfloat16})), self.case).good

    def test_a_kernel_that_fails(self) -> None:
        def failing(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
            raise RuntimeError("no kernel image is available\nand more")

        verdict = judge(Sage("failing", failing, (64,), frozenset({torch.bfloat16})), self.case)
        assert not verdict.good
        assert str(verdict) == "it fails: no kernel image is available"


def test_an_unknown_name() -> None:
    with pytest.raises(DagfusionError, match=r"unknown attention kernel 'flash' \(one of: auto, sdpa, sage"):
        Computing(attention="flash")  # type: ignore[arg-type]
