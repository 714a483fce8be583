"""Reading workflows: both forms, wrappers, pictures, and everything that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.document import read_document, read_workflow
from engine.errors import GraphInvalid, WorkflowUnreadable
from tests.engine.convert.drawing import classes, text_to_latent

CLASSES = classes()
API: dict[str, Any] = {
    "1": {"class_type": "Empty", "inputs": {"width": 64, "height": 32}, "_meta": {"title": "Size"}},
    "2": {"class_type": "Save", "inputs": {"samples": ["1", 0], "filename_prefix": "x"}},
}
UI = text_to_latent().as_file()


def test_api_form_is_read_as_it_is() -> None:
    reading = read_document(json.dumps(API), CLASSES)

    assert reading.form == "api"
    assert reading.notes == ()
    assert reading.workflow.as_prompt()["1"] == API["1"]
    assert reading.workflow.nodes["2"].title is None
    assert reading.workflow.nodes["2"].inputs == API["2"]["inputs"]
    assert reading.workflow.extra_pnginfo == {}


def test_ui_form_is_converted_and_kept_for_pictures() -> None:
    reading = read_document(UI, CLASSES)

    assert reading.form == "ui"
    assert list(reading.workflow.nodes) == ["1", "2", "3", "4", "5"]
    assert reading.workflow.extra_pnginfo == {"workflow": UI}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_bytes_and_files_in_any_unicode_encoding(tmp_path: Path, encoding: str) -> None:
    text = json.dumps({"1": {"class_type": "空", "inputs": {}}}, ensure_ascii=False)
    path = tmp_path / "w.json"
    path.write_text(text, encoding=encoding)

    for source in (path, path.read_bytes(), text):
        assert read_workflow(source, CLASSES).nodes["1"].class_type == "空"


@pytest.mark.parametrize(
    "wrapped",
    [
        {"prompt": API},
        {"workflow": API},
        {"input": {"workflow": API}},
        {"input": {"prompt": "a cat", "images": [{"name": "a.png", "image": "aGk="}], "workflow": API}},
        {"input": {"workflow": {"prompt": API}}, "webhook": "https://example.org"},
        {"prompt": [3, "id", API, {"client_id": "x"}, ["2"]]},
        {"workflow": json.dumps(API)},
        {"output": API, "workflow": UI},
        {"0a": {"prompt": [3, "id", API, {}, ["2"]], "outputs": {}, "status": {"completed": True}}},
    ],
)
def test_wrappers_are_taken_off(wrapped: dict[str, Any]) -> None:
    assert read_workflow(json.dumps(wrapped), CLASSES).as_prompt()["1"] == API["1"]


def test_a_wrapped_ui_form_is_found() -> None:
    reading = read_document({"input": {"workflow": UI}}, CLASSES)
    assert (reading.form, len(reading.workflow.nodes)) == ("ui", 5)


@pytest.mark.parametrize(
    "wrapped",
    [
        {"prompt": API, "extra_data": {"extra_pnginfo": {"workflow": UI}}},
        {"prompt": API, "extra_pnginfo": {"workflow": UI}},
        {"prompt": API, "workflow": UI},
        {"input": {"output": API, "workflow": UI}},
    ],
)
def test_what_goes_into_pictures_is_kept(wrapped: dict[str, Any]) -> None:
    assert read_workflow(wrapped, CLASSES).extra_pnginfo == {"workflow": UI}


def test_two_workflows_side_by_side_are_refused() -> None:
    with pytest.raises(WorkflowUnreadable, match="2 workflows \\('a', 'b'\\)"):
        read_workflow({"a": API, "b": API}, CLASSES)


def test_members_that_are_no_nodes_are_left_out_with_a_note() -> None:
    reading = read_document({**API, "_comment": "made by hand", "version": 3, "extra": {"a": 1}}, CLASSES)

    assert list(reading.workflow.nodes) == ["1", "2"]
    assert [note.message for note in reading.notes] == [
        "'_comment' is not a node and was left out",
        "'version' is not a node and was left out",
        "'extra' is not a node and was left out",
    ]


def test_a_node_without_a_class_is_kept_for_validation_to_tell() -> None:
    assert read_workflow({**API, "3": {"inputs": {}}}, CLASSES).nodes["3"].class_type == ""


def test_broken_nodes_are_all_told_at_once() -> None:
    with pytest.raises(GraphInvalid) as caught:
        read_workflow({**API, "3": {"class_type": 5}, "4": {"class_type": "Empty", "inputs": [1]}}, CLASSES)
    assert [(p.node_id, p.code) for p in caught.value.problems] == [("3", "invalid_prompt"), ("4", "invalid_prompt")]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_named_by_node_and_input(number: str) -> None:
    text = json.dumps(API).replace('"width": 64', f'"width": {number}').replace('"x"', f'["x", {{"a": {number}}}]')
    with pytest.raises(GraphInvalid) as caught:
        read_workflow(text, CLASSES)
    assert [(p.node_id, p.class_type, p.input) for p in caught.value.problems] == [
        ("1", "Empty", "width"),
        ("2", "Save", "filename_prefix"),
    ]


def test_nan_outside_of_inputs_does_no_harm() -> None:
    file = json.dumps({**UI, "extra": {"ds": {"scale": 1}}}).replace('"scale": 1', '"scale": NaN')
    assert read_workflow(file, CLASSES).extra_pnginfo["workflow"]["extra"] == {"ds": {"scale": None}}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "the workflow is empty"),
        (b" \n", "the workflow is empty"),
        (b"{", "is not JSON: .* in line 1, column 2"),
        (b'{"1": {"class_type": "A",}}', "is not JSON"),
        (b"[1, 2]", "an array instead of an object"),
        (b"3", "a number instead of an object"),
        (b'"text"', "a text instead of an object"),
        (b"null", "null instead of an object"),
        (b"true", "true or false instead of an object"),
        (b"{}", "holds no ComfyUI workflow"),
        (b'{"a": {"b": 1}}', "holds no ComfyUI workflow"),
        (b'{"\xff": 1}', "is not UTF-8 text: byte 2 does not fit"),
        (b"PK\x03\x04\x00", "is not JSON"),
        (b'{"a": "\\ud800"}', "text that is not Unicode"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number that is too long"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "nested more than 100 deep"),
        (b"[" * 200_000, "nested more than 100 deep"),
        (b'{"1": {"class_type": "A"}, "1": {"class_type": "B"}}', "two nodes have the id '1'"),
        (b'{"1": {"class_type": "A", "inputs": {"a": 1, "a": 2}}}', "the key 'a' appears twice"),
    ],
)
def test_what_is_no_workflow_gives_one_clear_error(source: bytes, message: str) -> None:
    with pytest.raises(WorkflowUnreadable, match=message):
        read_workflow(source, CLASSES)


def test_a_file_of_fifty_megabytes_is_refused_unless_allowed(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text(json.dumps({**API, "note": "x" * 50_000_000}))

    with pytest.raises(WorkflowUnreadable, match=r"'large.json' has 47.7 MiB; a workflow may have 32"):
        read_workflow(path, CLASSES)
    assert len(read_workflow(path, CLASSES, max_bytes=2**26).nodes) == 2


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(WorkflowUnreadable, match=r"nothing.json' cannot be read: No such file"):
        read_workflow(tmp_path / "nothing.json", CLASSES)
    with pytest.raises(WorkflowUnreadable, match="cannot be read: Is a directory"):
        read_workflow(tmp_path, CLASSES)


def test_a_dict_that_holds_itself_is_no_endless_loop() -> None:
    loop: dict[str, Any] = {"a": {}}
    loop["a"]["a"] = loop
    with pytest.raises(WorkflowUnreadable):
        read_workflow(loop, CLASSES)


def picture(path: Path, **texts: str) -> Path:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.new("RGB", (4, 4)).save(path, pnginfo=info)
    return path


def test_a_picture_gives_the_prompt_it_was_made_with(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", prompt=json.dumps(API), workflow=json.dumps(UI))
    reading = read_document(path, CLASSES)

    assert reading.form == "api"
    assert reading.workflow.as_prompt()["1"] == API["1"]
    assert reading.workflow.extra_pnginfo == {"workflow": UI}


def test_a_picture_with_the_ui_form_alone_is_converted(tmp_path: Path) -> None:
    assert read_document(picture(tmp_path / "a.png", workflow=json.dumps(UI)), CLASSES).form == "ui"


def test_a_pictures_nan_is_null(tmp_path: Path) -> None:
    text = json.dumps({**API, "1": {**API["1"], "is_changed": [1]}}).replace("[1]", "[NaN]")
    assert len(read_workflow(picture(tmp_path / "a.png", prompt=text), CLASSES).nodes) == 2


@pytest.mark.parametrize("texts", [{}, {"parameters": "a cat"}, {"prompt": "a cat"}, {"prompt": "{}"}])
def test_a_picture_without_a_workflow_says_so(tmp_path: Path, texts: dict[str, str]) -> None:
    with pytest.raises(WorkflowUnreadable, match=r"'a.png' is a picture that carries no workflow"):
        read_workflow(picture(tmp_path / "a.png", **texts), CLASSES)


def test_a_comment_that_holds_the_workflow_is_read(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x8769] = {0x9286: b"UNICODE\0" + json.dumps({"prompt": API, "workflow": UI}).encode("utf-16-le")}
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg", exif=tags)
    assert len(read_workflow(tmp_path / "a.jpg", CLASSES).nodes) == 2
