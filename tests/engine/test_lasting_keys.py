"""What is kept beyond the process: outputs of classes that keep, whose keys tell all that they depend on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import sources
from engine.context import Context
from engine.disk_cache import DiskCache
from engine.engine import Engine
from engine.inputs import Anything
from engine.registry import Registry
from engine.types import Expansion, Link
from engine.workflow import Workflow
from tests.engine.toys import FileName, Whole, add_node, toy_engine, workflow

calls: list[str] = []


def encode(ctx: Context, *, value: Anything = 0) -> int:
    """Stands for something that takes long."""
    calls.append("encode")
    return hash(str(value)) if isinstance(value, torch.Tensor) else int(value) * 10


def number(ctx: Context, *, value: Whole = 0) -> int:
    """As a built-in class would."""
    calls.append("number")
    return value


def read(ctx: Context, *, name: FileName) -> int:
    """The file's length."""
    calls.append("read")
    return len(ctx.folders.find("checkpoints", name).read_bytes())


@pytest.fixture(autouse=True)
def house(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes of this file count as dagfusion's own; those of the toys do not."""
    calls.clear()
    monkeypatch.setattr(sources, "HOUSE", frozenset({"house"}))
    for function in (encode, number, read):
        monkeypatch.setattr(function, "__module__", "house.nodes")


def engine_over(folder: Path, budget_bytes: int = 2**24) -> Engine:
    """An engine that has just been started."""
    engine = toy_engine(folder, budget_bytes)
    engine.cache.disk = DiskCache(folder / "cache", 2**24, (), lambda: "here")
    add_node(engine, encode, "Encode", keep=True)
    add_node(engine, number, "OwnNumber")
    add_node(engine, read, "Read", keep=True)
    return engine


def run(engine: Engine, flow: Workflow) -> list[str]:
    """What was called; what is written is on disk then."""
    before = len(calls)
    engine.run(flow)
    assert engine.cache.disk is not None
    engine.cache.disk.flush()
    return calls[before:]


def flow(value: Any, class_type: str = "OwnNumber") -> Workflow:
    return workflow(
        n=(class_type, {"value": value}), e=("Encode", {"value": ["n", 0]}), s=("Show", {"value": ["e", 0]})
    )


def test_what_classes_that_keep_make_outlives_the_engine(tmp_path: Path) -> None:
    assert run(engine_over(tmp_path), flow(3)) == ["number", "encode"]
    engine = engine_over(tmp_path)
    result = engine.run(flow(3))
    assert calls == ["number", "encode"]
    assert result.outputs["s"].shown["text"] == ("30",)
    assert run(engine_over(tmp_path), flow(4)) == ["number", "encode"]


def test_they_are_told_as_cached_like_those_in_memory(tmp_path: Path) -> None:
    run(engine_over(tmp_path), flow(3))
    for budget_bytes in (2**24, 0):
        engine, heard = engine_over(tmp_path, budget_bytes), list[Any]()
        engine.run(flow(3), listeners=[heard.append])
        assert (heard[0].steps, heard[0].cached) == (("s",), ("e",))
        wanted = engine.run(flow(3), ["e"])
        assert wanted.outputs["e"].cached
        assert wanted.outputs["e"].values == ((30,),)
    assert engine.cache.disk is not None
    assert engine.cache.disk.statistics().hits == 2


def test_the_disk_is_asked_for_classes_that_keep_alone_and_once(tmp_path: Path) -> None:
    run(engine_over(tmp_path), flow(3))
    engine = engine_over(tmp_path)
    for _ in range(3):
        engine.run(flow(3))
    assert engine.cache.disk is not None
    statistics = engine.cache.disk.statistics()
    assert (statistics.hits, statistics.misses) == (1, 0)


def test_what_a_users_class_feeds_is_not_kept(tmp_path: Path) -> None:
    assert run(engine_over(tmp_path), flow(3, "Number")) == ["encode"]
    assert run(engine_over(tmp_path), flow(3, "Number")) == ["encode"]
    below = workflow(
        n=("Number", {"value": 3}),
        e=("Encode", {"value": ["n", 0]}),
        f=("Encode", {"value": ["e", 0]}),
        s=("Show", {"value": ["f", 0]}),
    )
    assert run(engine_over(tmp_path), below) == run(engine_over(tmp_path), below) == ["encode", "encode"]


def test_what_runs_every_time_feeds_nothing_that_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        engine = engine_over(tmp_path)
        add_node(engine, number, "OwnAlways", cacheable=False)
        assert run(engine, flow(3, "OwnAlways")) == ["number", "encode"]


def test_other_contents_of_a_file_are_other_results(tmp_path: Path) -> None:
    file = tmp_path / "checkpoints" / "a.safetensors"
    read_it = workflow(r=("Read", {"name": "a.safetensors"}), s=("Show", {"value": ["r", 0]}))
    engine = engine_over(tmp_path)
    for content, expected in ((b"one", ["read"]), (b"one", []), (b"three", ["read"]), (b"one", [])):
        file.write_bytes(content)
        assert run(engine, read_it) == expected
        engine = engine_over(tmp_path)


def test_a_file_that_changes_while_the_node_runs_is_kept_under_neither_name(tmp_path: Path) -> None:
    engine, file = engine_over(tmp_path), tmp_path / "checkpoints" / "a.safetensors"
    file.write_bytes(b"one")

    def swapped(ctx: Context, *, name: FileName) -> int:
        file.write_bytes(b"three")
        return read(ctx, name=name)

    swapped.__module__ = "house.nodes"
    add_node(engine, swapped, "Swapped", keep=True)
    run(engine, workflow(r=("Swapped", {"name": "a.safetensors"}), s=("Show", {"value": ["r", 0]})))
    assert engine.cache.disk is not None
    assert engine.cache.disk.statistics().writes == 0


def test_a_file_name_that_comes_by_a_link_says_nothing_of_the_contents(tmp_path: Path) -> None:
    engine = engine_over(tmp_path)
    (tmp_path / "checkpoints" / "a.safetensors").write_bytes(b"one")

    def name(ctx: Context) -> Anything:
        return "a.safetensors"

    name.__module__ = "house.nodes"
    linked = workflow(n=("Name",), r=("Read", {"name": ["n", 0]}), s=("Show", {"value": ["r", 0]}))
    add_node(engine, name, "Name")
    assert run(engine, linked) == ["read"]
    assert engine.cache.disk is not None
    assert engine.cache.disk.statistics().writes == 0


def test_a_class_with_another_version_is_another(tmp_path: Path) -> None:
    run(engine_over(tmp_path), flow(3))
    engine = engine_over(tmp_path)
    add_node(engine, encode, "Encode", keep=True, version="2")
    assert run(engine, flow(3)) == ["number", "encode"]


FOREIGN = """
from engine.registry import node
from engine.context import Context

@node("Foreign", category="test", keep=True)
def foreign(ctx: Context, *, value: int = 0) -> int:
    return value * {factor}
"""


def test_a_users_class_may_keep_and_is_another_once_its_code_changes(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes"
    nodes.mkdir()

    def shown(factor: int) -> tuple[tuple[str, ...], int]:
        (nodes / "foreign.py").write_text(FOREIGN.format(factor=factor))
        sources.code_of.cache_clear()
        engine = engine_over(tmp_path)
        assert isinstance(engine.registry, Registry)
        engine.registry.add_folder(nodes)
        result = engine.run(workflow(n=("Foreign", {"value": 3}), s=("Show", {"value": ["n", 0]})))
        assert engine.cache.disk is not None
        engine.cache.disk.flush()
        return result.outputs["s"].shown["text"], engine.cache.disk.statistics().hits

    assert [shown(2), shown(2), shown(50), shown(2)] == [(("6",), 0), (("6",), 1), (("150",), 0), (("6",), 1)]


def test_code_is_all_files_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "somepackage"
    (package / "below").mkdir(parents=True)
    for name in ("__init__.py", "a.py", "below/b.py"):
        (package / name).write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("somepackage.a")
    seen = set()
    for name in ("__init__.py", "a.py", "below/b.py", "below/c.json"):
        sources.code_of.cache_clear()
        seen.add(sources.code_of("somepackage.a"))
        (package / name).write_text("1")
    (package / "__pycache__").mkdir(exist_ok=True)
    (package / "__pycache__" / "a.pyc").write_text("")
    sources.code_of.cache_clear()
    seen |= {sources.code_of("somepackage.a"), sources.code_of("somepackage")}
    assert len(seen) == 5
    del sys.modules["somepackage"], sys.modules["somepackage.a"]


def test_values_in_expansions_that_are_no_json_are_not_kept(tmp_path: Path) -> None:
    def expand(ctx: Context, *, value: Whole = 0) -> int | Expansion:
        return Expansion({"e": {"class_type": "Encode", "inputs": {"value": torch.tensor(value)}}}, (Link("e", 0),))

    expand.__module__ = "house.nodes"
    engine = engine_over(tmp_path)
    add_node(engine, expand, "Expand")
    assert run(engine, flow(3, "Expand")) == ["encode", "encode"]
    assert engine.cache.disk is not None
    assert engine.cache.disk.statistics().writes == 1  # the outer one, whose key tells all
