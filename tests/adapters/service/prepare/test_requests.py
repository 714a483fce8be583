"""What a RunPod job's input may be, and what is wrong with all else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.service.errors import BodyTooLarge, RequestInvalid
from adapters.service.prepare import requests
from adapters.service.prepare.requests import PictureInput, WorkflowInput
from engine.errors import DagfusionError

MAX_INPUT_BYTES = 20_000_000


def read_input(given: Any) -> WorkflowInput | PictureInput:
    return requests.read_input(given, MAX_INPUT_BYTES)


WORKFLOW = {"1": {"class_type": "EmptyImage", "inputs": {}}}
IMAGES = [{"name": "a.png", "image": "data:image/png;base64,AAAA"}, {"name": "b/c.png", "image": "BBBB"}]


def test_the_request_of_worker_comfyui_is_understood() -> None:
    found = read_input({"workflow": WORKFLOW, "images": IMAGES, "comfy_org_api_key": "key"})
    assert isinstance(found, WorkflowInput)
    assert found.workflow == WORKFLOW
    assert found.sources == {"a.png": "data:image/png;base64,AAAA", "b/c.png": "BBBB"}


def test_the_request_may_be_json_text_as_worker_comfyui_takes_it() -> None:
    found = read_input(json.dumps({"workflow": WORKFLOW, "images": None}))
    assert isinstance(found, WorkflowInput) and found.sources == {}


def test_own_names_for_files_and_changes_are_understood_too() -> None:
    more = {"overrides": {"1.width": 8}, "targets": ["2"], "output": {"format": "webp"}, "previews": True}
    found = read_input({"workflow": WORKFLOW, "files": {"x.png": "AAAA"}, "images": IMAGES, **more})
    assert isinstance(found, WorkflowInput)
    assert (found.overrides, found.targets, found.output.format) == ({"1.width": 8}, ["2"], "webp")
    assert set(found.sources) == {"x.png", "a.png", "b/c.png"}


def test_plain_parameters_are_taken_in_own_and_in_diffusers_names() -> None:
    own = read_input({"prompt": "a boat", "steps": 4, "cfg": 2.0, "sampler": "dpmpp_2m", "scheduler": "karras"})
    theirs = read_input(
        {"prompt": "a boat", "num_inference_steps": 4, "guidance_scale": 2.0, "scheduler": "DPM++2MKarras"}
    )
    assert isinstance(own, PictureInput) and own == theirs


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (None, "the input is null, not an object"),
        ([], "the input is a list, not an object"),
        ([{"workflow": WORKFLOW}], "the input is a list, not an object"),
        (3, "the input is a number, not an object"),
        (True, "the input is a truth value, not an object"),
        ({}, "the input has neither a 'workflow' nor a 'prompt'"),
        ("null", "the input is null, not an object"),
        ("{", "the input is not JSON"),
        ("", "the input is empty"),
        ({"prompt": "a", "stepps": 1}, "stepps: there is no such field"),
        ({"workflow": [], "images": []}, "workflow: Input should be a valid dictionary"),
        ({"workflow": "{"}, "the workflow is not JSON"),
        ({"workflow": "[]"}, "workflow: Input should be a valid dictionary"),
        ({"workflow": WORKFLOW, "images": {}}, "images: Input should be a valid list"),
        ({"workflow": WORKFLOW, "images": [{"name": "a"}]}, "images.0.image: Field required"),
        ({"workflow": WORKFLOW, "images": ["AAAA"]}, "images.0: Input should be a valid dictionary"),
        ({"workflow": WORKFLOW, "images": IMAGES[:1] * 2}, "two pictures are called 'a.png'"),
        ({"workflow": WORKFLOW, "images": IMAGES, "files": {"a.png": "A"}}, "two pictures are called"),
        ({"prompt": 3}, "prompt: Input should be a valid string"),
        ({"prompt": "a", "scheduler": "Nothing"}, "scheduler 'Nothing' is not known"),
        ({"prompt": "a", "mask": "AAAA"}, "mask: a mask says which part of a picture"),
        ({"workflow": WORKFLOW, "output": {"format": "tiff"}}, "output.format: Input should be 'png', 'jpeg' or"),
        ({"workflow": WORKFLOW, "time_limit_s": 0}, "time_limit_s: Input should be greater than 0"),
    ],
)
def test_whatever_else_it_is_gets_one_clear_error(wrong: Any, message: str) -> None:
    with pytest.raises(DagfusionError) as error:
        read_input(wrong)
    assert error.value.message.startswith(message)


def test_an_error_names_all_that_is_wrong() -> None:
    with pytest.raises(RequestInvalid) as error:
        read_input({"workflow": 1, "targets": [], "x": 1})
    assert [place for place, _ in error.value.fields] == ["workflow", "targets"]
    with pytest.raises(RequestInvalid) as error:
        read_input({"prompt": "a", "steps": 0, "x": 1})
    assert [place for place, _ in error.value.fields] == ["steps", "x"]
    assert error.value.remedy.startswith("the fields are: ")
    assert "negative_prompt" in error.value.remedy


def test_further_fields_are_ignored_as_worker_comfyui_does_and_told() -> None:
    found = read_input({"workflow": WORKFLOW, "my_meta": {"a": 1}, "overides": {}, "images": [IMAGES[0] | {"x": 1}]})
    assert isinstance(found, WorkflowInput)
    assert found.notes == (
        "'my_meta' is no field of a request and is not used",
        "'overides' is no field of a request and is not used; did you mean 'overrides'?",
    )
    many = read_input({"workflow": WORKFLOW} | {f"{place}" * 500: 1 for place in range(100, 200)})
    assert isinstance(many, WorkflowInput)
    assert len(many.notes) == 10
    assert max(map(len, many.notes)) < 200


@pytest.mark.parametrize("given", [{"prompt": WORKFLOW}, {"workflow": json.dumps(WORKFLOW)}])
def test_a_graph_may_be_called_prompt_and_be_json_text(given: dict[str, Any]) -> None:
    found = read_input(given | {"targets": ["1"]})
    assert isinstance(found, WorkflowInput)
    assert (found.workflow, found.targets, found.notes) == (WORKFLOW, ["1"], ())


def test_thirty_megabytes_are_refused() -> None:
    picture = {"name": "a.png", "image": "A" * 30_000_000}
    with pytest.raises(BodyTooLarge, match=f"takes {MAX_INPUT_BYTES:,}"):
        read_input({"workflow": WORKFLOW, "images": [picture]})
    with pytest.raises(DagfusionError, match="MiB"):
        read_input("A" * 30_000_000)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_nothing_that_json_can_say_breaks_it(value: Any) -> None:
    for wrong in (value, {"workflow": value}, {"prompt": value}, {"workflow": WORKFLOW, "images": value}):
        with suppress(DagfusionError):
            read_input(wrong)
