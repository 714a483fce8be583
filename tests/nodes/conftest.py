"""A context for calling node functions directly."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.context import Context
from engine.folders import Folders
from engine.model_store import ModelStore


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    """A run with empty input, output and temp folders, on the CPU."""
    folders = Folders(input=tmp_path / "input", output=tmp_path / "output", temp=tmp_path / "temp")
    for folder in (folders.input, folders.output, folders.temp):
        folder.mkdir()
    return Context(folders=folders, models=ModelStore("cpu"), node_id="1")
