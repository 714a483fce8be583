"""Compiled parts: near what they are uncompiled, compiled once for all weights and sizes, kept between processes."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.computing import Computing
from engine.errors import DagfusionError
from nodes.diffusion import compiling
from nodes.diffusion.backend import PLAIN, backend_for
from nodes.diffusion.kernels import sdpa

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")


def in_a_process(cache: Path, what: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.nodes.diffusion.compiling_once", what]
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(cache)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for the CPU takes g++, and there is none")
def test_a_network_is_compiled_once(tmp_path: Path) -> None:
    first, second = (in_a_process(tmp_path, what) for what in ("all", "first"))
    for found in (first, second):
        # A layer; resnets with one and with two times the channels going in, and the middle block's, whose scale is
        # another kind of number.
        assert found["first"]["graphs"] == 4
        assert found["first"]["distance"] < 1e-5
    for name in ("same", "other size", "other weights", "patched", "hooks"):
        assert first[name]["graphs"] == 0, name
        assert first[name]["distance"] < 1e-5, name
    assert first["patch changes"] > 0.01
    assert first["hook calls"] == 2 * 4  # with and without the compiler: down, middle, two up
    assert (first["hits"], first["misses"]) == (0, 4)
    assert (second["hits"], second["misses"]) == (4, 0)


def test_what_cannot_be_compiled_runs_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        def fail(x: Tensor) -> Tensor:
            raise torch._dynamo.exc.TorchDynamoException("no such thing\nand its story")

        return fail

    def double(x: Tensor) -> Tensor:
        return x * 2

    monkeypatch.setattr(torch, "compile", failing)
    run = compiling.compiled(double, "default")
    with caplog.at_level(logging.WARNING):
        assert [float(run(torch.ones(()))) for _ in range(3)] == [2.0, 2.0, 2.0]
    assert [record.message for record in caplog.records] == ["double is not compiled: no such thing"]


def test_what_a_graph_made_stays_when_it_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = torch.zeros(())

    def replay(x: Tensor) -> Tensor:
        return memory.copy_(x)

    monkeypatch.setattr(torch, "compile", lambda _part, **_: replay)
    run = compiling.compiled(torch.sin, "reduce-overhead")
    assert [float(made) for made in [run(torch.tensor(1.0)), run(torch.tensor(2.0))]] == [1.0, 2.0]


def test_other_errors_are_the_parts_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(x: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("not so much")

    monkeypatch.setattr(torch, "compile", lambda part, **_: part)
    with pytest.raises(torch.OutOfMemoryError):
        compiling.compiled(lacking, "default")(torch.ones(()))


def test_without_a_compiler() -> None:
    from torch._inductor import config

    missing = config.patch({"cpp.cxx": (None, "no-such-compiler")})
    with (
        missing,
        pytest.raises(DagfusionError, match=r"takes a C\+\+ compiler, and there is none \(install g\+\+, or take"),
    ):
        backend_for(CPU, Computing(compile="default"))


def test_nothing_is_compiled_by_default() -> None:
    assert backend_for(CPU, Computing()) == PLAIN
    assert PLAIN.best(sdpa.mix) is sdpa.mix


def test_an_unknown_mode() -> None:
    with pytest.raises(DagfusionError, match=r"unknown way to compile 'fast' \(one of: off, default, reduce-overhead"):
        Computing(compile="fast")  # type: ignore[arg-type]
