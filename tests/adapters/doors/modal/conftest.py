"""Containers' places in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.doors.modal.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "models").mkdir()
    return Places(models=tmp_path / "models", jobs=tmp_path / "jobs", local=tmp_path / "local")
