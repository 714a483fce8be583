"""What computes a sampling call: chosen by the model store, in force for that call and its thread alone."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.computing import Computing
from engine.context import Context
from engine.events import Event, EventLog, NodeNote
from engine.folders import Folders
from engine.model_store import ModelStore
from nodes.diffusion import backend, sampling
from nodes.diffusion.backend import PLAIN, Backend
from nodes.diffusion.checkpoints import load_unet
from nodes.diffusion.compiling import compiled
from nodes.diffusion.kernels import sdpa
from nodes.model_patches import TORCH_ATTENTION, choose_attention
from nodes.sampling_values import Guider, Sampler
from nodes.values import Cond, Conditioning, Latent
from tests.nodes.drawing import drawn

Mixed = tuple[int, int]  # head width, keys


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> list[Mixed]:
    """What every model store's kernel is asked for."""
    asked: list[Mixed] = []

    def mix(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        asked.append((q.shape[-1], k.shape[-2]))
        return sdpa.mix(q, k, v)

    monkeypatch.setattr(backend, "mix_for", lambda _device, _attention: mix)
    return asked


def test_a_sampling_call_attends_by_the_stores_kernel(models_dir: Path, counting: list[Mixed]) -> None:
    store = ModelStore("cpu", computing=Computing(attention="sdpa"))
    drawn(models_dir, store, "tiny_sd15.safetensors", steps=1)
    # Self-attention over 8 x 8 tokens and fewer, and over the prompt's 77; the VAE's over pixels is not among them.
    assert {keys for _, keys in counting} >= {64, 77}
    assert all(width == 4 or width == 8 for width, _ in counting)
    assert backend.current() is PLAIN


def test_a_call_ends_as_it_began_when_it_fails() -> None:
    def fail() -> None:
        with backend.using(Backend(compile="default")):
            assert backend.current().compile == "default"
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert backend.current() is PLAIN


def test_threads_have_their_own() -> None:
    seen: list[Backend] = []
    with backend.using(Backend(mix=lambda q, k, v: q)):
        thread = threading.Thread(target=lambda: seen.append(backend.current()))
        thread.start()
        thread.join()
    assert seen == [PLAIN]


def test_compiled_parts_call_other_kernels_as_they_are(counting: list[Mixed]) -> None:
    chosen = backend.backend_for(torch.device("cpu"), Computing(compile="default"))
    part: Callable[..., Tensor] = torch.compile(lambda q: chosen.mix(q, q, q) + 1, backend="eager")
    q = torch.randn(1, 1, 4, 8)
    assert torch.equal(part(q), sdpa.mix(q, q, q) + 1)
    assert counting == [(8, 4)]


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for the CPU takes g++, and there is none")
def test_a_sampling_call_runs_compiled_parts(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced as for compiling, and run without: that takes a minute less, and code for a CPU is tested elsewhere."""
    real, parts = torch.compile, list[str]()

    def traced(part: Callable[..., Tensor], **options: Any) -> Callable[..., Tensor]:
        parts.append(part.__name__)
        return real(part, **options | {"backend": "eager", "mode": None})

    monkeypatch.setattr(torch, "compile", traced)
    compiled.cache_clear()
    exact, _ = drawn(models_dir, ModelStore("cpu"), "tiny_sd15.safetensors", steps=1)
    made, _ = drawn(
        models_dir, ModelStore("cpu", computing=Computing(compile="default")), "tiny_sd15.safetensors", steps=1
    )
    compiled.cache_clear()
    assert sorted(parts) == ["plain_layer", "resnet"]
    assert 0 < float((made - exact).norm() / exact.norm()) < 1e-4  # its attention is the fused one


def test_a_model_may_have_a_kernel_of_its_own(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def mix_for(_device: torch.device, attention: str) -> Any:
        asked.append(attention)
        return sdpa.mix

    monkeypatch.setattr(backend, "mix_for", mix_for)
    told: list[Event] = []
    store = ModelStore("cpu", precision="float32", computing=Computing(attention="auto"))
    ctx = Context(Folders(), store, log=EventLog(told.append))
    plain = load_unet(models_dir / "checkpoints" / "tiny_sd15.safetensors")
    own = choose_attention(ctx, model=plain, attention=TORCH_ATTENTION)
    other = choose_attention(ctx, model=plain, attention="comfy kitchen attention")
    assert [event.message for event in told if isinstance(event, NodeNote)] == [
        "the attention kernel 'comfy kitchen attention' is not here: torch's is used"
    ]
    prompt = Conditioning((Cond(torch.zeros(1, 77, 64)),))
    for model in (plain, own, other):
        guider, latent = Guider(model, "basic", {"positive": prompt}), Latent(torch.zeros(1, 4, 8, 8))
        sampling.sample(ctx, guider, Sampler("euler"), torch.tensor([1.0, 0.0]), latent, noise_seed=1, seed=1)
    assert asked == ["auto", "sdpa", "sdpa"]
