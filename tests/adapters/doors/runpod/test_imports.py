"""RunPod's SDK is loaded by its door alone, and no other program of ours loads the door."""

from __future__ import annotations

import subprocess
import sys

from tests.test_layers import ROOT, files, imports, module_name

DOOR = {"adapters.doors.runpod.handler", "adapters.doors.runpod.bucket", "adapters.doors.runpod.progress"}
HEAVY = {"runpod", "fastapi", "boto3", "uvicorn"}


def test_only_the_door_imports_the_sdk() -> None:
    found = {
        module_name(path)
        for layer in ("engine", "nodes", "adapters")
        for path in files(layer)
        for name in imports(path, at_load=False)
        if name.split(".")[0] == "runpod"
    }
    assert found == DOOR


def test_nothing_but_the_door_imports_its_parts() -> None:
    found = {
        module_name(path)
        for path in files("adapters")
        for name in imports(path, at_load=False)
        if name.startswith("adapters.doors.runpod.")
    }
    assert {name for name in found if not name.startswith("adapters.doors.runpod")} == {
        "adapters.runpod_handler",
    }


def test_the_doors_parts_load_neither_the_sdk_nor_a_web_server() -> None:
    code = f"HEAVY = {HEAVY}\nimport sys, adapters.doors.runpod.door\nprint(sorted(HEAVY & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
