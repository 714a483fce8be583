"""``/object_info`` entries have the shape that ComfyUI's servers send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest

from engine.context import Context
from engine.engine import Engine
from engine.inputs import Anything, Hidden
from engine.object_info import object_info
from engine.schema import NodeSpec
from tests.engine.toys import toy_engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return toy_engine(tmp_path)


def info(engine: Engine, name: str) -> dict[str, Any]:
    made = object_info(engine.registry[name], engine.folders)
    assert json.loads(json.dumps(made)) == made
    return made


def test_the_whole_entry(engine: Engine) -> None:
    assert info(engine, "AddOptional") == {
        "input": {
            "required": {"a": ["INT", {"min": -1_000_000, "max": 1_000_000}]},
            "optional": {"b": ["INT", {"default": 5}]},
        },
        "input_order": {"required": ["a"], "optional": ["b"]},
        "output": ["INT", "STRING"],
        "output_is_list": [False, False],
        "output_name": ["total", "text"],
        "name": "AddOptional",
        "display_name": "AddOptional",
        "description": "",
        "python_module": "tests.engine.toys",
        "category": "toys",
        "output_node": False,
    }


def test_hidden_inputs_and_output_nodes(engine: Engine) -> None:
    def stamp(ctx: Context, *, value: Anything, prompt: Annotated[Any, Hidden("PROMPT")] = None) -> None:
        """An output node with a hidden input."""

    made = object_info(NodeSpec(name="Stamp", run=stamp, category="toys", output_node=True), engine.folders)
    assert made["input"]["hidden"] == {"prompt": "PROMPT"}
    assert made["input_order"]["hidden"] == ["prompt"]
    assert made["input"]["required"]["value"] == ["*", {}]
    assert made["output"] == made["output_name"] == made["output_is_list"] == []
    assert made["output_node"] is True


def test_defaults_that_are_false_or_zero_are_there(engine: Engine) -> None:
    assert info(engine, "Mixed")["input"]["required"]["on"] == ["BOOLEAN", {"default": False}]
    number = info(engine, "Number")["input"]["required"]["value"]
    assert number == ["INT", {"default": 0, "min": -1_000_000, "max": 1_000_000}]
    assert info(engine, "Checked")["input"]["required"]["size"] == ["INT", {"default": 8, "min": 0, "max": 64}]
    assert info(engine, "Words")["input"]["required"]["text"] == ["STRING", {"default": "", "multiline": True}]


def test_choices_and_files(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "b.safetensors").touch()
    (tmp_path / "checkpoints" / "a.safetensors").touch()
    (tmp_path / "input" / "cat.png").touch()
    assert info(engine, "Fail")["input"]["required"]["kind"] == [["ValueError", "Input", "Memory"], {}]
    assert info(engine, "LoadFile")["input"]["required"]["name"] == [["none", "a.safetensors", "b.safetensors"], {}]
    assert info(engine, "LoadPicture")["input"]["required"]["image"] == [["cat.png"], {"image_upload": True}]


def test_lists_lazy_and_flags(engine: Engine) -> None:
    assert info(engine, "Range")["output_is_list"] == [True]
    assert info(engine, "Switch")["input"]["required"]["yes"] == ["INT", {"lazy": True}]

    def run(ctx: Context) -> int:
        """What it does."""
        return 1

    run.__module__ = "dagfusion_user_nodes.mine"
    spec = NodeSpec("X", run, "c", display_name="Ex", deprecated=True, experimental=True, search_aliases=("why",))
    made = object_info(spec, engine.folders)
    assert made["python_module"] == "custom_nodes.mine"
    assert (made["display_name"], made["description"]) == ("Ex", "What it does.")
    assert made["deprecated"] is made["experimental"] is True
    assert made["search_aliases"] == ["why"]


def test_every_toy_has_an_entry(engine: Engine) -> None:
    for name in engine.registry:
        made = info(engine, name)
        assert made["name"] == name
        for group, order in made["input_order"].items():
            assert list(made["input"][group]) == order
