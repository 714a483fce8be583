"""SageAttention through each of its calls: what is handed to it comes out as torch's attention has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.errors import DagfusionError
from nodes.diffusion.kernels import sage, sdpa
from nodes.diffusion.kernels.choice import Forced

Install = Callable[[str], None]


def projected(batch: int, heads: int, tokens: int, width: int, seed: int, dtype: torch.dtype) -> Tensor:
    """[batch, heads, tokens, width] as projections leave it in memory: the heads beside their width."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn(batch, tokens, heads, width, generator=source).to(dtype).transpose(1, 2)


@pytest.mark.parametrize("build", ["1", "2", "3"])
def test_any_attention_comes_out_as_by_torch(build: str, install: Install) -> None:
    install(build)
    kernel = sage.installed()
    mix = Forced(kernel)

    @settings(
        deadline=None,
        max_examples=60,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        st.integers(1, 2),
        st.integers(1, 3),
        st.integers(1, 140),
        st.sampled_from([1, 64, 77, 128, 154]),
        st.sampled_from([8, 40, 64, 80, 96, 120, 128, 160]),
        st.sampled_from([torch.float16, torch.bfloat16, torch.float32]),
    )
    def same(batch: int, heads: int, tokens: int, keys: int, width: int, dtype: torch.dtype) -> None:
        q = projected(batch, heads, tokens, width, 1, dtype)
        k, v = (projected(batch, heads, keys, width, seed, dtype) for seed in (2, 3))
        exact = sdpa.mix(q.float(), k.float(), v.float())
        mixed = mix(q, k.clone(), v)
        assert mixed.shape == exact.shape
        assert mixed.dtype == dtype
        assert float((mixed.float() - exact).norm() / exact.norm()) < (1e-5 if dtype == torch.float32 else 0.02)

    same()


@pytest.mark.parametrize(
    ("build", "width", "keys", "dtype", "taken"),
    [
        ("1", 40, 64, torch.float16, True),
        ("1", 128, 128, torch.float32, True),
        ("1", 64, 77, torch.float16, False),  # fills up its last block with keys that are not there
        ("1", 160, 64, torch.float16, False),
        ("2", 64, 77, torch.float16, True),
        ("2", 64, 64, torch.float32, False),
        ("2", 160, 64, torch.bfloat16, False),
        ("3", 80, 77, torch.bfloat16, True),
        ("3", 160, 77, torch.bfloat16, False),
    ],
)
def test_what_each_build_takes(
    build: str, width: int, keys: int, dtype: torch.dtype, taken: bool, install: Install
) -> None:
    install(build)
    q, k = projected(1, 1, 32, width, 1, dtype), projected(1, 1, keys, width, 2, dtype)
    assert sage.installed().takes(q, k) is taken


def test_one_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(DagfusionError, match=r"not installed \(install dagfusion\[sage\]"):
        sage.installed()


@pytest.mark.parametrize("source", ["raise ImportError('undefined symbol: _ZN3c10\\nmore')", "nothing = 1"])
def test_one_that_does_not_load(source: str, install: Install, tmp_path: Path) -> None:
    install("2")
    (tmp_path / "2" / "sageattention" / "__init__.py").write_text(source)
    with pytest.raises(DagfusionError, match=r"sageattention does not load: .*sageattn|undefined symbol: _ZN3c10 \("):
        sage.installed()
