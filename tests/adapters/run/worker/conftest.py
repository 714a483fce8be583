"""A supervised worker with nodes that make trouble, one for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.services import Service, running

NODES = Path(__file__).parent / "nodes"
TROUBLE = {"nodes": str(NODES)}


@pytest.fixture(scope="session")
def supervised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """``dagfusion serve`` with one worker, which is started again when a test ends it."""
    with running(tmp_path_factory.mktemp("supervised"), **TROUBLE, stop_grace_s="1.5") as service:
        yield service
