"""SageAttention's own triton kernels, interpreted on the CPU, within a network: near torch's attention."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nodes.diffusion.kernels.probe import FURTHEST

ROOT = Path(__file__).parents[4]

if any(importlib.util.find_spec(name) is None for name in ("sageattention", "triton")):
    pytest.skip("needs the extra 'sage', and triton", allow_module_level=True)


def test_a_network_by_sages_kernels() -> None:
    command = [sys.executable, "-O", "-m", "tests.nodes.diffusion.kernels.sage_on_cpu"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["label"].startswith("SageAttention 1.")
    assert all(0 < off < FURTHEST for off in found["alone"].values()), found["alone"]
    # Which is why those go to torch's attention.
    assert found["with keys that are not there"] > 0.1
    assert not found["takes 77 keys"]
    for off, computed in found["networks"].values():
        assert 0 < off < FURTHEST
        assert computed == [[64, 256], [96, 64]]
    assert not found["failure"]
    assert 0 < found["judged"] < FURTHEST
