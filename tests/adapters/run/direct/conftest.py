"""One engine on the CPU for all tests, with nodes that make trouble."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.host.settings import Settings
from adapters.run.direct.runner import DirectRunner, open_runner

NODES = Path(__file__).parents[2] / "run" / "worker" / "nodes"


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("direct")
    folders = {name: folder / name for name in ("data", "input", "output", "temp")}
    for path in folders.values():
        path.mkdir()
    return Settings(**folders, nodes=[NODES], device="cpu")


@pytest.fixture(scope="session")
def runner(settings: Settings) -> DirectRunner:
    return open_runner(settings)
