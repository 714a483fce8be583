"""Checking a workflow loads nothing heavy; the public names of the engine come when they are asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import engine

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "networkx", "numpy", "diffusers", "transformers", "scipy", "yaml", "safetensors")


def loaded_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_checking_loads_nothing_heavy() -> None:
    modules = loaded_after(
        "from pathlib import Path\n"
        "from engine import Engine, Folders, Registry, Workflow\n"
        "flow = Workflow(nodes={'1': {'class_type': 'Nothing', 'inputs': {}}})\n"
        "assert len(Engine(Registry(), Folders(), None).check(flow)) == 1\n"
        "import engine.object_info"
    )
    assert "engine.validate" in modules
    assert modules.isdisjoint(HEAVY)


def test_importing_the_package_loads_none_of_it() -> None:
    assert {name for name in loaded_after("import engine") if name.startswith("engine.")} == set()


def test_public_names() -> None:
    for name in engine.__all__:
        assert getattr(engine, name).__name__ == name
        assert name in dir(engine)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = engine.nothing_like_it
