"""Keys follow what a node's result depends on, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.engine import Engine
from engine.errors import ModelUnreadable
from engine.keys import ONCE, CacheKeys
from engine.workflow import NodeDocument, Workflow
from tests.engine.toys import toy_engine, workflow


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return toy_engine(tmp_path)


def keys_of(engine: Engine, flow: Workflow, *outputs: str) -> CacheKeys:
    checked = engine.inspect(flow, outputs or None)
    assert not checked.problems
    keys = CacheKeys(engine.folders, engine.models)
    keys.add(checked.nodes.values())
    return keys


def key(engine: Engine, class_type: str, **inputs: Any) -> str:
    return keys_of(engine, workflow(n=(class_type, inputs)), "n")["n"]


def test_values_count_after_they_became_their_type(engine: Engine) -> None:
    assert key(engine, "Add", a="3", b=True) == key(engine, "Add", a=3.9, b=1)
    assert key(engine, "Add", a=3, b=1) != key(engine, "Add", a=1, b=3)
    assert key(engine, "Words", text="1") == key(engine, "Words", text=1) != key(engine, "Words", text="1 ")
    assert key(engine, "Number", value=1) != key(engine, "Always", value=1)


def test_types_of_any_values_are_told_apart(engine: Engine) -> None:
    values: list[Any] = [
        1,
        1.0,
        True,
        "1",
        None,
        "None",
        {"__value__": [1]},
        {"__value__": ["1"]},
        {"a": 1},
        '{"a": 1}',
    ]
    assert len({key(engine, "Show", value=value) for value in values}) == len(values)


def test_texts_cannot_imitate_other_inputs(engine: Engine) -> None:
    a = key(engine, "AnyInputs", x="1", y="2")
    assert a != key(engine, "AnyInputs", x="1'\n'y'='2")
    assert a != key(engine, "AnyInputs", **{"x'='1'\n'y": "2"})
    assert key(engine, "AnyInputs", x="\ud800") != key(engine, "AnyInputs", x="\ud801")


def test_titles_ids_and_hidden_inputs_do_not_count(engine: Engine) -> None:
    a = keys_of(engine, workflow(n=("Number", {"value": 1}), s=("Save", {"value": ["n", 0], "name": "x"})))
    more = workflow(
        other=("Number", {"value": 1}), t=("Save", {"value": ["other", 0], "name": "x"}), s=("Show", {"value": 3})
    )
    b = keys_of(engine, more)
    assert a["s"] == b["t"]
    titled = Workflow(nodes={"n": NodeDocument(class_type="Number", inputs={"value": 1}, title="Mine")})
    assert keys_of(engine, titled, "n")["n"] == a["n"]


def test_a_class_that_asks_for_its_id_depends_on_it(engine: Engine) -> None:
    keys = keys_of(engine, workflow(a=("WhoAmI",), b=("WhoAmI",)), "a", "b")
    assert keys["a"] != keys["b"]


def test_slots_count(engine: Engine) -> None:
    def shown(slot: int) -> str:
        flow = workflow(b=("AddOptional", {"a": 1}), s=("Show", {"value": ["b", slot]}))
        return keys_of(engine, flow)["s"]

    assert shown(0) != shown(1)


def test_file_contents_count(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints" / "a.safetensors"
    file.write_text("one")
    first = key(engine, "LoadFile", name="a.safetensors")
    file.touch()
    assert key(engine, "LoadFile", name="a.safetensors") == first
    file.write_text("two")
    assert key(engine, "LoadFile", name="a.safetensors") != first
    file.write_text("one")
    assert key(engine, "LoadFile", name="a.safetensors") == first


def test_file_that_goes_away_meanwhile_is_an_error_that_names_it(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints" / "a.safetensors"
    file.write_text("one")
    checked = engine.inspect(workflow(n=("LoadFile", {"name": "a.safetensors"})), ["n"])
    file.unlink()
    with pytest.raises(ModelUnreadable, match=r"a\.safetensors"):
        CacheKeys(engine.folders, engine.models).add(checked.nodes.values())


def test_own_fingerprints(engine: Engine, tmp_path: Path) -> None:
    mark = tmp_path / "input" / "mark"
    mark.write_text("1")
    first = key(engine, "Stamp", value=1, mode="file")
    assert key(engine, "Stamp", value=1, mode="file") == first
    mark.write_text("2")
    assert key(engine, "Stamp", value=1, mode="file") != first
    assert key(engine, "Stamp", value=1, mode="same") == key(engine, "Stamp", value=1, mode="same")
    for mode in ("nan", "raise"):
        once = key(engine, "Stamp", value=1, mode=mode)
        assert once.startswith(ONCE)
        assert once != key(engine, "Stamp", value=1, mode=mode)


def test_what_reads_an_always_running_node_is_good_for_one_run(engine: Engine) -> None:
    flow = workflow(a=("Always", {"value": 1}), b=("Add", {"a": ["a", 0], "b": 1}), s=("Show", {"value": ["b", 0]}))
    first, second = keys_of(engine, flow), keys_of(engine, flow)
    assert all(k.startswith(ONCE) for k in first.values())
    assert all(first[i] != second[i] for i in "abs")


@given(st.permutations(["a", "b", "x", "y"]), st.permutations(["p", "q", "r"]))
def test_order_of_nodes_and_inputs_does_not_count(names: list[str], ids: list[str]) -> None:
    engine = toy_engine(Path("/nonexistent"), make_folders=False)
    values: dict[str, Any] = {"a": 1, "b": ["p", 0], "x": {"k": 1, "l": [2]}, "y": "t"}
    nodes = {
        "p": NodeDocument(class_type="Number", inputs={"value": 1}),
        "q": NodeDocument(class_type="AnyInputs", inputs={name: values[name] for name in names}),
        "r": NodeDocument(class_type="Show", inputs={"value": ["q", 0]}),
    }
    usual = NodeDocument(class_type="AnyInputs", inputs={**values, "x": {"l": [2], "k": 1}})
    assert keys_of(engine, Workflow(nodes={i: nodes[i] for i in ids})) == keys_of(
        engine, Workflow(nodes={**nodes, "q": usual})
    )


def test_hashing_a_file_again_is_avoided(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "checkpoints" / "a.safetensors"
    file.write_text("one")
    time.sleep(0.06)
    first = key(engine, "LoadFile", name="a.safetensors")

    def fail(path: Path) -> str:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr("engine.fingerprint.hash_file", fail)
    assert key(engine, "LoadFile", name="a.safetensors") == first
