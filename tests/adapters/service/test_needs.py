"""What a job needs that does not come with the program, and which workers have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.host.loading import load_folders
from adapters.host.settings import Settings
from adapters.service.needs import Abilities, needs_of, unmet
from adapters.service.store.records import WorkerRecord
from engine.folders import Folders
from engine.registry import Registry
from nodes import builtin_registry

OWN = """
from engine.registry import node
@node("{name}", category="test", output_node=True)
def own(ctx) -> None: ...
"""


def with_own(folder: Path, *names: str) -> Registry:
    for name in names:
        (folder / f"{name.lower()}.py").write_text(OWN.format(name=name))
    registry = builtin_registry()
    registry.add_folder(folder)
    return registry


def loading(name: str) -> dict[str, Any]:
    return {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": name}}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    (tmp_path / "models" / "checkpoints").mkdir(parents=True)
    (tmp_path / "models" / "checkpoints" / "mine.safetensors").touch()
    return load_folders(Settings(models=[tmp_path / "models"]))


def test_what_comes_with_the_program_is_no_need(tmp_path: Path, folders: Folders) -> None:
    registry = builtin_registry()
    shipped = next(name for name in folders.files("checkpoints") if name != "mine.safetensors")
    prompt = {"1": loading(shipped), "2": {"class_type": "EmptyImage", "inputs": {}}}
    assert needs_of(prompt, registry, folders) == ()
    assert needs_of({"1": loading("mine.safetensors")}, registry, folders) == ("model checkpoints/mine.safetensors",)


def test_own_classes_are_needs_also_those_that_replace_one(tmp_path: Path, folders: Folders) -> None:
    registry = with_own(tmp_path, "Mine", "SaveImage")
    prompt = {str(i): {"class_type": name, "inputs": {}} for i, name in enumerate(("SaveImage", "Mine", "EmptyImage"))}
    needs = needs_of(prompt, registry, folders)
    assert needs == ("node class Mine", "node class SaveImage")
    assert Abilities(registry, folders).can(needs)
    assert Abilities(builtin_registry(), folders).lacking(needs) == needs  # it has a SaveImage, but another one


def test_files_that_come_are_seen_soon_and_each_lack_is_told_once(folders: Folders) -> None:
    clock, told = [0.0], []
    abilities = Abilities(builtin_registry(), folders, lambda: told.append(clock[0]), lambda: clock[0])
    needs = ("model checkpoints/new.safetensors",)
    assert not abilities.can(needs)
    assert not abilities.can(needs)
    assert abilities.about({"d": needs, "": ()})["lacks"] == {"d": list(needs)}
    assert not abilities.can(needs)
    assert len(told) == 1
    (Path(folders.of_kind("checkpoints")[0]) / "new.safetensors").touch()
    clock[0] += 1.0
    assert abilities.can(needs)
    assert abilities.about({"d": needs})["lacks"] == {}


def test_a_worker_that_has_other_classes_has_another_digest(tmp_path: Path, folders: Folders) -> None:
    plain, own = (Abilities(one, folders).about({}) for one in (builtin_registry(), with_own(tmp_path, "Mine")))
    assert (plain["own_classes"], own["own_classes"]) == ([], ["Mine"])
    assert plain["classes"] != own["classes"]


def worker(state: str, **info: Any) -> WorkerRecord:
    return WorkerRecord("w", "host", 1, state, 0.0, 0.0, info)


def test_a_job_waits_for_what_all_ready_workers_lack() -> None:
    lacks = worker("ready", lacks={"d": ["node class A"]})
    also = worker("ready", lacks={"d": ["model b"]})
    able, starting = worker("ready", lacks={}), worker("starting")
    assert unmet("d", [lacks, also, starting]) == ["model b", "node class A"]
    assert unmet("d", [lacks, able]) == []
    assert unmet("d", [starting]) == unmet("d", []) == unmet("other", [lacks]) == []
