"""``/prompt``: what is taken, what is refused, and in which words of ComfyUI's."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
import pytest

from tests.adapters.services import Service, picture_prompt


def post(http: httpx.Client, prompt: Any, **more: Any) -> httpx.Response:
    return http.post("/prompt", json={"prompt": prompt, **more})


def error(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 400, reply.text
    body: dict[str, Any] = reply.json()
    assert set(body) == {"error", "node_errors"}
    assert set(body["error"]) == {"type", "message", "details", "extra_info"}
    return body


def test_a_prompt_is_taken_and_numbered(http: httpx.Client, service: Service) -> None:
    first, second = (post(http, picture_prompt(20 + number)).json() for number in range(2))
    assert set(first) == {"prompt_id", "number", "node_errors"}
    assert first["node_errors"] == {}
    assert second["number"] == first["number"] + 1
    assert service.ended(second["prompt_id"]).state == "completed"


def test_it_is_there_under_api_as_well_and_under_the_content_types_of_clients(http: httpx.Client) -> None:
    body = b'{"prompt": {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, '
    body += b'"color": 21}}, "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}}'
    plain = "text/plain;charset=UTF-8"  # what fetch() calls a text
    for kind in ("application/x-www-form-urlencoded", "application/json", "application/octet-stream", plain, None):
        headers = {} if kind is None else {"Content-Type": kind}
        assert http.post("/api/prompt", content=body, headers=headers).status_code == 200


def test_a_body_as_any_pages_form_sends_it_is_refused(http: httpx.Client) -> None:
    for path in ("/prompt", "/queue", "/history"):
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert http.post(path, content=b"{}", headers=headers).status_code == 415, path
        for page in ({"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert http.post(path, content=b"{}", headers={"Content-Type": "text/plain", **page}).status_code == 403


@pytest.mark.parametrize("node_id", ["x" * 300, "a\0b"])
def test_ids_that_no_database_keeps_are_refused_before_anything_runs(http: httpx.Client, node_id: str) -> None:
    prompt = picture_prompt(24)
    prompt[node_id] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    reply = post(http, prompt)
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_prompt"


def test_what_a_client_sends_beside_the_prompt_is_kept(http: httpx.Client, service: Service) -> None:
    extra = {"extra_pnginfo": {"workflow": {"nodes": []}}, "note": "mine", "api_key_comfy_org": "secret"}
    prompt_id = str(uuid.uuid4())
    reply = post(http, picture_prompt(22), prompt_id=prompt_id, client_id="it", number=3.5, extra_data=extra).json()
    assert (reply["prompt_id"], reply["number"]) == (prompt_id, 3.5)
    service.ended(prompt_id)
    number, told_id, prompt, extra_data, outputs = http.get(f"/history/{prompt_id}").json()[prompt_id]["prompt"]
    assert (number, told_id, outputs) == (3.5, prompt_id, ["2"])
    assert prompt == picture_prompt(22)
    assert extra_data == {"extra_pnginfo": {"workflow": {"nodes": []}}, "note": "mine", "client_id": "it"}
    assert "secret" not in str(service.job(prompt_id))


def test_front_and_number_place_a_prompt_in_the_queue(http: httpx.Client) -> None:
    assert post(http, picture_prompt(23), front=True).json()["number"] < 0
    assert post(http, picture_prompt(23), front=True, number=7).json()["number"] == 7


def test_an_id_is_taken_once(http: httpx.Client) -> None:
    prompt_id = str(uuid.uuid4())
    assert post(http, picture_prompt(24), prompt_id=prompt_id).status_code == 200
    again = post(http, picture_prompt(24), prompt_id=prompt_id)
    assert again.status_code == 409
    assert again.json()["error"]["type"] == "invalid_request"


def test_a_wrong_value_is_told_with_its_node_and_input(http: httpx.Client) -> None:
    prompt = picture_prompt()
    prompt["1"]["inputs"] |= {"width": -5, "height": "tall"}
    body = error(post(http, prompt))
    assert body["error"]["type"] == "prompt_outputs_failed_validation"
    node = body["node_errors"]["1"]
    assert (node["class_type"], node["dependent_outputs"]) == ("EmptyImage", ["2"])
    by_type = {one["type"]: one for one in node["errors"]}
    assert set(by_type) == {"value_smaller_than_min", "invalid_input_type"}
    info = by_type["value_smaller_than_min"]["extra_info"]
    assert (info["input_name"], info["received_value"], info["input_config"][0]) == ("width", -5, "INT")


def test_a_value_that_is_left_out_has_its_default_and_the_job_says_so(http: httpx.Client, service: Service) -> None:
    prompt = picture_prompt(27)
    del prompt["1"]["inputs"]["batch_size"]
    prompt_id = post(http, prompt).json()["prompt_id"]
    assert service.ended(prompt_id).state == "completed"
    (note,) = http.get(f"/v1/jobs/{prompt_id}").json()["notes"]
    assert note == "node 1 (EmptyImage): 'batch_size' is not in the workflow, so it has its default, 1"


def test_links_are_told_with_what_they_lead_to(http: httpx.Client) -> None:
    prompt = picture_prompt()
    prompt["3"] = {"class_type": "ImageInvert", "inputs": {"image": ["9", 0]}}
    prompt["4"] = {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}}
    reply = post(http, prompt)
    assert reply.status_code == 200  # The other output can run.
    assert reply.json()["node_errors"]["3"]["dependent_outputs"] == ["4"]
    info = reply.json()["node_errors"]["3"]["errors"][0]["extra_info"]
    assert (info["input_name"], info["linked_node"]) == ("image", ["9", 0])


def test_outputs_that_can_run_do_though_others_cannot(http: httpx.Client, service: Service) -> None:
    prompt = picture_prompt(25)
    prompt["3"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}
    reply = post(http, prompt).json()
    missing = reply["node_errors"]["3"]["errors"][0]
    assert (missing["type"], missing["extra_info"]) == ("required_input_missing", {"input_name": "images"})
    job = service.ended(reply["prompt_id"])
    assert (job.state, job.targets) == ("completed", ("2",))


def test_only_the_targets_run(http: httpx.Client, service: Service) -> None:
    prompt = picture_prompt(26) | {"3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    prompt_id = post(http, prompt, partial_execution_targets=["3", "1", "nowhere"]).json()["prompt_id"]
    service.ended(prompt_id)
    assert list(http.get(f"/history/{prompt_id}").json()[prompt_id]["outputs"]) == ["3"]
    body = error(post(http, prompt, partial_execution_targets=["1"]))
    assert body["error"]["type"] == "prompt_no_outputs"


def test_an_unknown_class_is_named(http: httpx.Client) -> None:
    body = error(post(http, {"7": {"class_type": "EmptyImaeg", "inputs": {}}}))
    assert body["error"]["type"] == "invalid_prompt"
    assert body["error"]["extra_info"] == {"node_id": "7", "class_type": "EmptyImaeg"}
    assert "EmptyImage" in body["error"]["details"]


def test_a_known_error_survives_texts_that_are_no_unicode(http: httpx.Client) -> None:
    reply = http.post("/prompt", content=rb'{"prompt": {"1": {"class_type": "\ud800", "inputs": {}}}}')
    assert error(reply)["error"]["type"] == "invalid_prompt"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "invalid_prompt"),
        (b"{", "invalid_prompt"),
        (b"[]", "invalid_request"),
        (b"\xff\xfe\x00", "invalid_prompt"),
        (b"{}", "no_prompt"),
        (b'{"prompt": null}', "no_prompt"),
        (b'{"prompt": [1]}', "no_prompt"),
        (b'{"prompt": {}}', "prompt_no_outputs"),
        (b'{"prompt": {"1": {"inputs": {}}}}', "invalid_prompt"),
        (b'{"prompt": {"1": {"class_type": 5, "inputs": {}}}}', "invalid_prompt"),
        (b'{"prompt": {"1": {"class_type": "EmptyImage"}}}', "prompt_no_outputs"),
        (b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "invalid_prompt"),
        (b'{"prompt": ' + b"1" * 10_000 + b"}", "invalid_prompt"),
    ],
)
def test_what_is_no_prompt_is_refused_by_its_kind(http: httpx.Client, content: bytes, kind: str) -> None:
    assert error(http.post("/prompt", content=content))["error"]["type"] == kind


@pytest.mark.parametrize(
    "more",
    [
        {"number": "many"},
        {"number": 1e999},
        {"number": [1]},
        {"client_id": {"a": 1}},
        {"client_id": "x" * 201},
        {"client_id": "a\0b"},
        {"prompt_id": "a/b"},
        {"prompt_id": "x" * 65},
        {"prompt_id": ""},
        {"extra_data": "none"},
        {"extra_data": {"extra_pnginfo": 5}},
        {"extra_data": {"client_id": "\n"}},
        {"partial_execution_targets": "2"},
    ],
)
def test_what_comes_beside_the_prompt_is_checked(http: httpx.Client, more: dict[str, Any]) -> None:
    content = json.dumps({"prompt": picture_prompt(), **more})  # writes Infinity, as Python's clients do
    assert error(http.post("/prompt", content=content))["error"]["type"] == "invalid_prompt"


def test_a_body_that_is_too_large_is_refused(http: httpx.Client) -> None:
    padding = b" " * (101 * 2**20)
    try:
        reply = http.post("/prompt", content=b'{"prompt": {}' + padding + b"}")
        assert reply.status_code == 413
    except httpx.WriteError:
        pass  # The service had answered and hung up before everything was sent.
    assert http.get("/prompt").status_code == 200


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"partial_execution_targets": {"2": True}}, "'partial_execution_targets' is an object, not an array"),
        ({"partial_execution_targets": ["2", ["1"]]}, "'partial_execution_targets[1]' is an array, not a node's id"),
        ({"partial_execution_targets": [True]}, "'partial_execution_targets[0]' is true or false"),
        ({"partial_execution_targets": [None]}, "'partial_execution_targets[0]' is null"),
        ({"prompt_id": "../x"}, "'prompt_id' is '../x', which cannot stand in the addresses"),
        ({"prompt_id": ".."}, "'prompt_id' is '..', which cannot stand in the addresses"),
        ({"prompt_id": "x" * 65}, "'prompt_id' is not a text of 1 to 64 printable characters"),
    ],
)
def test_a_refusal_says_what_is_wrong(http: httpx.Client, more: dict[str, Any], says: str) -> None:
    reply = post(http, picture_prompt(), **more)
    assert reply.status_code == 400
    assert says in reply.json()["error"]["message"]
