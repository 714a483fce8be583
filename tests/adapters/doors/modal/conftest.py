"""Containers' places in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.doors.modal.places import MountedPaths


@pytest.fixture
def places(tmp_path: Path) -> MountedPaths:
    (tmp_path / "models").mkdir()
    return MountedPaths(models=tmp_path / "models", jobs=tmp_path / "jobs", local=tmp_path / "local")
