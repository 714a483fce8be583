"""Fixtures that many tests share: the tiny models, and an engine over them."""

from __future__ import annotations

import importlib.util
import math
import os
import signal
from collections.abc import Iterator
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

# Of one process that runs tests, in GiB: a test that takes more fails by name. Asked for by who looks for them.
MOST_MEMORY_BYTES = float(os.environ.get("TESTS_MOST_GIB", "inf")) * 2**30
_PEAK_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
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


@pytest.fixture(autouse=True)
def bounded_memory(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that takes its process above :data:`MOST_MEMORY_BYTES` fails by name (on Linux)."""
    if math.isinf(MOST_MEMORY_BYTES):
        yield
        return
    _PEAK_RESET.write_text("5")
    yield
    peak_bytes = next(int(row.split()[1]) * 1024 for row in _STATUS.read_text().splitlines() if row.startswith("VmHWM"))
    if peak_bytes > MOST_MEMORY_BYTES:
        pytest.fail(f"{request.node.nodeid} took this process to {peak_bytes / 2**30:.1f} GiB of memory")
