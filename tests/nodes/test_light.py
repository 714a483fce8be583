"""Declaring nodes is light: reading every schema loads none of the libraries that compute."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "torch._C",
    "numpy",
    "scipy",
    "PIL.Image",
    "kornia",
    "av",
    "spandrel",
    "diffusers",
    "transformers",
    "torchvision",
)

PROGRAM = f"""
import sys
from nodes import builtin_registry
for spec in builtin_registry().values():
    spec.inputs, spec.outputs, spec.description
print([name for name in {HEAVY!r} if name in sys.modules])
"""


def test_reading_all_schemas_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
