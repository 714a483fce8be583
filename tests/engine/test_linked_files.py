"""Files that are named through links: what is in them is part of the key, as if their names were typed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.context import Context
from engine.engine import Engine
from engine.entry import Entry
from engine.folders import KINDS, Folders
from engine.inputs import Anything, FileChoice
from engine.keys import ONCE, CacheKeys
from engine.resolved import ResolvedNode
from engine.types import Link
from nodes import builtin_registry
from tests.engine.toys import add_node, text, toy_engine, workflow

REGISTRY = builtin_registry()
CHOOSING = [
    (name, one.name, one.marker.kind)
    for name, spec in sorted(REGISTRY.items())
    for one in spec.given_inputs
    if isinstance(one.marker, FileChoice)
]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    def name(ctx: Context, *, text: str = "") -> Anything:
        return text

    made = toy_engine(tmp_path)
    add_node(made, name, "Name")
    return made


def flow(class_type: str = "LoadPicture", source: tuple[str, dict[str, Any]] = ("Name", {"text": "a"})) -> Any:
    """A file named through a link, and what reads what was loaded."""
    return workflow(
        name=source, load=(class_type, {"image": ["name", 0]}), more=("AnyInputs", {"text": ["load", 0]}),
        s=("Show", {"value": ["load", 0]}), t=("Show", {"value": ["more", 0]}),
    )  # fmt: skip


def test_a_changed_file_is_read_again_and_the_same_one_is_not(engine: Engine) -> None:
    file = engine.folders.input / "a"
    file.write_text("red")
    assert text(engine, flow()) == "red"
    assert engine.run(flow()).executed == ()
    file.write_text("blue")
    assert text(engine, flow()) == "blue"
    assert engine.run(flow()).executed == ()
    file.write_text("red")
    again = engine.run(flow())
    assert again.outputs["s"].shown["text"] == ("red",)
    assert again.executed == ()
    assert all(output.cached for output in again.outputs.values())


def test_the_name_is_computed_first_and_all_behind_it_is_found(engine: Engine) -> None:
    (engine.folders.input / "a").write_text("red")
    engine.run(flow())
    for key in list(engine.cache._entries):  # as if the name were no longer known
        if engine.cache._entries[key][0].values == (("a",),):
            engine.cache._remove(key)
    assert engine.run(flow()).executed == ("name",)
    (engine.folders.input / "a").write_text("blue")
    assert text(engine, flow()) == "blue"


def test_a_name_that_changes_every_time(engine: Engine) -> None:
    names = iter(["a", "b", "a"])

    def draw(ctx: Context) -> Anything:
        return next(names)

    add_node(engine, draw, "Draw", cacheable=False)
    for name in "ab":
        (engine.folders.input / name).write_text(f"in {name}")
    found = [text(engine, flow(source=("Draw", {}))) for _ in range(3)]
    assert found == ["in a", "in b", "in a"]


def test_each_file_of_a_list_counts(engine: Engine) -> None:
    def draw(ctx: Context) -> list[Anything]:
        return ["a", "b"]

    add_node(engine, draw, "Draw", output_is_list=(True,))
    for name in "ab":
        (engine.folders.input / name).write_text(name)
    assert engine.run(flow(source=("Draw", {}))).outputs["s"].shown["text"] == ("a", "b")
    assert engine.run(flow(source=("Draw", {}))).executed == ()
    (engine.folders.input / "b").write_text("c")
    assert engine.run(flow(source=("Draw", {}))).outputs["s"].shown["text"] == ("a", "c")


@pytest.mark.parametrize("has_default", [True, False])
def test_a_path_that_a_class_looks_at_itself(engine: Engine, tmp_path: Path, has_default: bool) -> None:
    def read(ctx: Context, *, image: str = "") -> str:
        return (tmp_path / image).read_text()

    def without(ctx: Context, image: str = "") -> str:
        return (tmp_path / image).read_text() if image else "nothing"

    def needed(ctx: Context, image: str) -> str:
        return (tmp_path / image).read_text()

    add_node(engine, read, "Read", fingerprint=without if has_default else needed)
    for content in ("red", "red", "blue"):
        (tmp_path / "a").write_text(content)
        assert text(engine, flow("Read")) == content
    assert engine.run(flow("Read")).executed == ()


def test_a_file_that_is_not_there_is_told_by_its_node(engine: Engine) -> None:
    with pytest.raises(Exception, match=r"node load .*file 'a' is not"):
        engine.run(flow())
    (engine.folders.input / "a").write_text("red")
    assert text(engine, flow()) == "red"


@pytest.mark.parametrize(("class_type", "name", "kind"), CHOOSING)
def test_every_class_that_chooses_files(tmp_path: Path, class_type: str, name: str, kind: str) -> None:
    """Found by walking the registry, so that a new class is tested by itself."""
    models = {one: [tmp_path / one] for one in KINDS}
    folders = Folders(models, *(tmp_path / one for one in ("input", "output", "temp")))
    file = tmp_path / kind / "a.safetensors"
    file.parent.mkdir()
    node = ResolvedNode("n", class_type, REGISTRY[class_type], {}, {name: Link("above", 0)})

    def key(known: Entry | None) -> str:
        keys = CacheKeys(folders, None, values=lambda _key: known)  # type: ignore[arg-type]
        keys["above"] = "the same"
        keys.add([node])
        return keys["n"]

    entry = Entry(((file.name,),))
    file.write_text("one")
    first = key(entry)
    assert not first.startswith(ONCE)
    assert key(entry) == first
    file.write_text("two, which is longer")
    assert key(entry) not in (first, key(None))
    assert key(None).startswith(ONCE)
    assert key(None) != key(None)
