"""Ray is loaded by its door alone, and what the door loads is light: the API's process computes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.adapters.doors.ray.conftest import BIN, environment
from tests.test_layers import ROOT, files, imports, module_name


def test_only_the_door_imports_ray() -> None:
    found = {
        module_name(path)
        for layer in ("engine", "nodes", "adapters")
        for path in files(layer)
        for name in imports(path, at_load=False)
        if name.split(".")[0] == "ray"
    }
    assert found == {"adapters.doors.ray.app"}


def test_nothing_but_the_door_imports_its_parts() -> None:
    found = {
        module_name(path)
        for path in files("adapters")
        for name in imports(path, at_load=False)
        if name.startswith("adapters.doors.ray.")
    }
    assert {name for name in found if not name.startswith("adapters.doors.ray")} == {"adapters.ray_serve"}


def test_the_door_and_its_parts_do_not_load_torch() -> None:
    code = "import sys, adapters.ray_serve; print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_a_setting_that_is_none_is_one_error(tmp_path: Path) -> None:
    command = [BIN / "serve", "run", "adapters.ray_serve:app", "gpu=1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "Error: there is no setting 'gpu'" in done.stderr and "gpus" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
