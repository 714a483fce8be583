"""What packs declare, as the engine and clients see it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.folders import Folders
from engine.inputs import FileChoice
from engine.object_info import object_info
from engine.registry import Registry
from nodes.packs.description import PackDescription
from nodes.packs.file_lists import FileList
from nodes.packs.reading import read_input


def test_every_class_is_registered_but_the_one_that_cannot_be_read(
    described: tuple[Registry, dict[str, PackDescription]],
) -> None:
    registry, found = described
    plain, schema = found["plain"], found["schema"]
    assert (plain.error, schema.error) == ("", "")
    assert plain.broken == {"Plain Unreadable": "RuntimeError: no file to list"}
    assert len(plain.classes) == 20
    assert [one.name for one in schema.classes] == ["Schema Graded", "Schema Joined", "Schema Seen"]
    assert all(one.name in registry for one in (*plain.classes, *schema.classes))
    assert "comfy.ldm.modules.attention.SpatialTransformer" in plain.missing


def test_a_class_that_is_there_already_stays(registry: Registry) -> None:
    assert registry["SaveImage"].run.__module__.startswith("nodes.")


def test_object_info_is_the_packs_own(registry: Registry) -> None:
    info = object_info(registry["Plain Invert"], Folders())
    assert info["display_name"] == "Invert (plain)"
    assert info["description"] == "Inverts."
    assert info["python_module"] == "custom_nodes.plain"
    assert info["output"] == ["IMAGE", "STRING", "INT"]
    assert info["output_name"] == ["inverted", "told", "number"]
    assert info["input"]["required"]["factor"] == ["FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}]
    assert info["input"]["required"]["mode"] == [["plain", "in place"], {}]
    assert info["input"]["required"]["count"] == [[1, 2, 4], {"default": 2}]
    assert info["input"]["optional"]["note"] == ["STRING", {"default": "unused", "multiline": True}]
    assert info["input"]["hidden"] == {"unique_id": "UNIQUE_ID"}


def test_a_schema_is_read(registry: Registry) -> None:
    info = object_info(registry["Schema Graded"], Folders())
    assert info["search_aliases"] == ["brighten"]
    assert info["output_name"] == ["graded", "told"]
    kind, options = info["input"]["required"]["limit"]
    assert kind == "COMFY_DYNAMICCOMBO_V3"
    assert [option["key"] for option in options["options"]] == ["none", "clip"]
    assert options["options"][1]["inputs"]["required"]["top"] == ["FLOAT", {"default": 1.0}]


def test_lists_of_files_stay_those_of_now(registry: Registry) -> None:
    marker = registry["Plain File"].inputs["name"].marker
    assert isinstance(marker, FileChoice)
    assert (marker.kind, marker.before, marker.after) == ("loras", ("none",), ())


def test_a_list_of_the_input_folder_stays_that_of_now(registry: Registry, folders: Folders) -> None:
    (folders.input / "later.png").touch()
    described = object_info(registry["Plain Listing"], folders)["input"]["required"]["image"]
    assert described == [["none", "later.png"], {}]


@pytest.mark.parametrize(
    ("made", "before", "after"),
    [
        (lambda files: ["a"] + files, ["a"], []),  # noqa: RUF005 - as packs write it
        (lambda files: files + ["z"], [], ["z"]),  # noqa: RUF005 - as packs write it
        (lambda files: ["a"] + files + ["z"], ["a"], ["z"]),  # noqa: RUF005 - as packs write it
        (lambda files: files.copy(), [], []),
    ],
)
def test_a_list_of_files_remembers_what_stands_around_them(made: Any, before: list[str], after: list[str]) -> None:
    read = read_input("name", (made(FileList(["x", "y"], "vae")),), required=True)
    assert read.files is not None
    assert (read.files.kind, read.files.before, read.files.after) == ("vae", before, after)


@pytest.mark.parametrize(
    ("declared", "kind", "choices"),
    [
        (("INT", {"default": 3}), "INT", []),
        ("IMAGE", "IMAGE", []),
        (("A,B",), "A,B", []),
        ((["x", 2, 0.5, True],), "COMBO", ["x", 2, 0.5, True]),
        ((("x", "y"), {"default": "y"}), "COMBO", ["x", "y"]),
        ((range(3),), "COMBO", [0, 1, 2]),
        (({"x": 1}.keys(),), "COMBO", ["x"]),
        (("COMBO", {"options": ["x"]}), "COMBO", ["x"]),
        (["x", "y"], "COMBO", ["x", "y"]),
    ],
)
def test_types_are_declared_in_many_ways(declared: Any, kind: str, choices: list[Any]) -> None:
    read = read_input("name", declared, required=False)
    assert (read.type, read.choices, read.required) == (kind, choices, False)


def test_a_type_that_is_none_is_told() -> None:
    with pytest.raises(TypeError, match="the type of 'name' is 5"):
        read_input("name", (5,), required=True)
