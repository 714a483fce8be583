"""Builds of SageAttention on the path, one a test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodes.diffusion.kernels.choice import mix_for
from tests.nodes.diffusion.kernels.builds import BUILDS, write_build

_MODULES = ("sageattention", "sageattn3")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """``install("2")`` puts that build of SageAttention where it is imported from."""

    def forget() -> None:
        mix_for.cache_clear()
        for name in [name for name in sys.modules if name.partition(".")[0] in _MODULES]:
            del sys.modules[name]

    def put(build: str) -> None:
        write_build(tmp_path / build, build)
        monkeypatch.syspath_prepend(tmp_path / build)
        for other in {*_MODULES} - {BUILDS[build][0]}:
            monkeypatch.setitem(sys.modules, other, None)  # as if it were not installed

    forget()
    yield put
    forget()
