"""A registry with two packs, one of each kind, and an engine over it and the tiny models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.registry import Registry
from engine.result import RunResult
from nodes import builtin_registry
from nodes.packs import running
from nodes.packs.description import PackDescription
from nodes.packs.loading import add_packs
from tests.engine.toys import workflow

CUSTOM_NODES = Path(__file__).parent / "custom_nodes"
Described = tuple[Registry, dict[str, PackDescription]]


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Described:
    """The registry, and what the packs were found to be."""
    registry = builtin_registry()
    found = add_packs(registry, [CUSTOM_NODES], tmp_path_factory.mktemp("kept"))
    return registry, {one.name: one for one in found}


@pytest.fixture
def registry(described: Described) -> Iterator[Registry]:
    """The registry, which packs are told of."""
    running.serve(Folders(), described[0])
    yield described[0]
    running.serve(Folders(), {})


@pytest.fixture
def folders(tmp_path: Path, models_dir: Path) -> Folders:
    """The tiny models, and folders of the run's own."""
    made = Folders(model_folders([models_dir]), tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    for place in (made.input, made.output, made.temp):
        place.mkdir()
    return made


@pytest.fixture
def engine(registry: Registry, folders: Folders) -> Engine:
    """An engine that knows nothing yet."""
    return Engine(registry, folders, ModelStore("cpu", precision="float32"))


@pytest.fixture
def run(engine: Engine) -> Callable[..., RunResult]:
    """Run nodes: ``run(wanted, id=(class, inputs), ...)``."""

    def run(wanted: str, **nodes: Any) -> RunResult:
        return engine.run(workflow(**nodes), [wanted])

    return run
