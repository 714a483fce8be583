"""Fixtures that many tests share: the tiny models, and an engine over them."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing about what it tests, on a busy machine least of all. What CI says of a change
# is not to depend on luck: new examples are for the machines of those who write the code.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("untimed")

# What a test finds is not to depend on what ran before; those about the disk cache give it a folder of their own.
os.environ["DAGFUSION_DISK_CACHE_MIB"] = "0"
# Threads of two test processes that wait for each other by spinning take ten times as long; read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Who runs the tests in a shell's background has Ctrl-C ignored, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

CASES = Path(__file__).parent / "reference" / "cases"


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ComfyUI ``models`` folder with the tiny random models that the reference outputs were made with."""
    spec = importlib.util.spec_from_file_location("tiny_models", CASES / "tiny_models.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("models")
    for kind in ("checkpoints", "controlnet", "loras", "embeddings", "upscale_models", "vae"):
        (folder / kind).mkdir()
    list(module.write(folder))
    return folder
