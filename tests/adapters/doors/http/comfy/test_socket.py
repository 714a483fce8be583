"""The socket: whom it tells what, also to those who come back, and its binary messages."""

from __future__ import annotations

import io
import json
import struct
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import websocket
from PIL import Image

from tests.adapters.doors.http.comfy.conftest import Talk, types
from tests.adapters.doors.http.comfy.test_clients import sampling_prompt
from tests.adapters.doors.http.serving import serving
from tests.adapters.services import Service, endless_prompt, picture_prompt, until

METADATA = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}


def steps(prompt: dict[str, Any], count: int, seed: int) -> dict[str, Any]:
    for node in prompt.values():
        if node["class_type"] == "KSampler":
            node["inputs"].update(steps=count, seed=seed)
    return prompt


def read_frame(frame: bytes) -> tuple[dict[str, Any], Image.Image]:
    """Metadata and picture of a binary message of either type."""
    kind, second = struct.unpack(">II", frame[:8])
    if kind == 1:
        picture = Image.open(io.BytesIO(frame[8:]))
        assert second == {"JPEG": 1, "PNG": 2}[picture.format or ""]
        return {}, picture
    assert kind == 4
    metadata = json.loads(frame[8 : 8 + second])
    picture = Image.open(io.BytesIO(frame[8 + second :]))
    assert metadata["image_type"] == f"image/{(picture.format or '').lower()}"
    return metadata, picture


def test_the_first_message_tells_the_queue_and_the_id(connect: Callable[..., Talk]) -> None:
    client = connect("somebody")
    first = client.receive()
    assert isinstance(first, dict)
    assert first["type"] == "status"
    assert first["data"]["sid"] == "somebody"
    assert isinstance(first["data"]["status"]["exec_info"]["queue_remaining"], int)


def test_without_an_id_one_is_given(service: Service) -> None:
    socket = websocket.create_connection(service.url.replace("http", "ws") + "/api/ws", timeout=60)
    assert len(json.loads(socket.recv())["data"]["sid"]) == 32
    socket.close()


def test_a_run_is_told_to_its_client_alone(connect: Callable[..., Talk], talk: Talk) -> None:
    other = connect()
    other.receive()
    prompt_id = talk.submit(picture_prompt(40, "alone"))
    heard = talk.until_done(prompt_id)
    told = [kind for kind in types(heard) if kind not in ("status", "progress_state")]
    assert told == [
        "execution_start",
        "execution_cached",
        *("executing", "executing", "executed"),
        "execution_success",
        "executing",
    ]
    assert all(m["data"]["prompt_id"] == prompt_id for m in heard if isinstance(m, dict) and m["type"] != "status")
    remaining = [
        m["data"]["status"]["exec_info"]["queue_remaining"]
        for m in heard
        if isinstance(m, dict) and m["type"] == "status"
    ]
    assert remaining[-1] == 0
    own = other.submit(picture_prompt(41, "alone"))
    others = other.until_done(own)
    assert {m["data"]["prompt_id"] for m in others if isinstance(m, dict) and m["type"] != "status"} == {own}


def test_features_are_exchanged_once(talk: Talk) -> None:
    talk.socket.send(json.dumps(METADATA))
    answer = talk.receive()
    assert isinstance(answer, dict)
    assert answer["type"] == "feature_flags"
    assert answer["data"]["supports_preview_metadata"] is True
    assert answer["data"]["max_upload_size"] > 0
    talk.socket.send(json.dumps(METADATA))  # of no meaning any more
    assert "feature_flags" not in types(talk.until_done(talk.submit(picture_prompt(42))))


@pytest.mark.parametrize("said", ["", "{", "[]", "null", '"x"', '{"type": "feature_flags", "data": 5}', "[" * 50_000])
def test_what_a_client_says_does_no_harm(talk: Talk, said: str) -> None:
    talk.socket.send(said)
    talk.socket.send_binary(b"\0\1\2")
    assert types(talk.until_done(talk.submit(picture_prompt(43))))[-1] == "executing"


def test_pictures_for_the_socket_arrive_whole_and_in_order(talk: Talk) -> None:
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 700, "height": 600, "batch_size": 2, "color": 255}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "ImageBatch", "inputs": {"image1": ["1", 0], "image2": ["2", 0]}},
        "4": {"class_type": "SaveImageWebsocket", "inputs": {"images": ["3", 0]}},
    }
    heard = talk.until_done(talk.submit(prompt))
    frames = [read_frame(message)[1] for message in heard if isinstance(message, bytes)]
    assert [(frame.format, frame.size, frame.getpixel((5, 5))) for frame in frames] == [
        *[("PNG", (700, 600), (0, 0, 255))] * 2,
        *[("PNG", (700, 600), (255, 255, 0))] * 2,
    ]
    assert not any("prompt" in getattr(frame, "text", {}) for frame in frames)
    names = types(heard)
    first, last = names.index("binary"), len(names) - 1 - names[::-1].index("binary")
    node = [m["data"]["node"] for m in heard[:first] if isinstance(m, dict) and m["type"] == "executing"][-1]
    assert node == "4"  # By which clients know what the pictures are of.
    assert "executing" not in names[first:last]
    assert names.index("execution_success") > last


def test_pictures_come_with_metadata_where_the_client_takes_it(talk: Talk) -> None:
    talk.socket.send(json.dumps(METADATA))
    talk.receive()
    prompt_id = talk.submit(picture_prompt(44, node="SaveImageWebsocket"))
    frames = [read_frame(m) for m in talk.until_done(prompt_id) if isinstance(m, bytes)]
    assert [metadata for metadata, _ in frames] == [
        {
            "node_id": "2",
            "display_node_id": "2",
            "parent_node_id": None,
            "real_node_id": "2",
            "prompt_id": prompt_id,
            "image_type": "image/png",
        }
    ]


def test_a_picture_of_another_machines_worker_comes_from_the_blob_store(talk: Talk, service: Service) -> None:
    prompt_id = talk.submit(picture_prompt(45, node="SaveImageWebsocket"))
    talk.until_done(prompt_id)
    finished = next(
        event
        for event in service.store.events.of_job(prompt_id)
        if event.kind == "node_finished" and event.data["shown"]
    )
    outputs = service.store.jobs.outputs(prompt_id)
    assert finished.data["sent"] == [output.digest for output in outputs]


def unfinished_pictures(talk: Talk, **more: Any) -> tuple[dict[str, Any], list[bytes]]:
    """A prompt that is interrupted once there is a picture of it, and those that came."""
    prompt = endless_prompt(77)
    prompt_id = talk.submit(prompt, **more)
    frames = [talk.next_picture()]
    talk.http.post("/interrupt", json={"prompt_id": prompt_id})
    return prompt, frames + [message for message in talk.until_done(prompt_id) if isinstance(message, bytes)]


def test_unfinished_pictures_go_to_clients_that_want_them(talk: Talk) -> None:
    _, frames = unfinished_pictures(talk, extra_data={"preview_method": "auto"})
    assert {struct.unpack(">I", frame[:4])[0] for frame in frames} == {1}
    assert all(read_frame(frame)[1].format == "JPEG" for frame in frames)


@pytest.mark.parametrize("extra", [{"preview_method": "none"}, {}])
def test_no_unfinished_pictures_go_to_others(talk: Talk, extra: dict[str, Any]) -> None:
    prompt = steps(sampling_prompt(), 12, seed=len(extra))
    assert "binary" not in types(talk.until_done(talk.submit(prompt, extra_data=extra)))


def test_unfinished_pictures_say_where_they_come_from(talk: Talk) -> None:
    talk.socket.send(json.dumps(METADATA))
    talk.receive()
    prompt, frames = unfinished_pictures(talk)
    sampler = next(node_id for node_id, node in prompt.items() if node["class_type"] == "KSampler")
    assert {read_frame(frame)[0]["node_id"] for frame in frames} == {sampler}


def test_progress_is_told_with_the_state_of_all_nodes(talk: Talk) -> None:
    prompt = steps(sampling_prompt(), 4, seed=78)
    heard = [message for message in talk.until_done(talk.submit(prompt)) if isinstance(message, dict)]
    progress = [message["data"] for message in heard if message["type"] == "progress"]
    assert progress[-1]["value"] == progress[-1]["max"] == 4
    states = [message["data"]["nodes"] for message in heard if message["type"] == "progress_state"]
    assert {state["state"] for state in states[-1].values()} == {"finished"}
    assert any(node["value"] == 4 for node in states[-1].values())


def test_who_comes_back_hears_what_runs_and_the_rest(connect: Callable[..., Talk], service: Service) -> None:
    client_id = uuid.uuid4().hex
    client = connect(client_id)
    client.receive()
    prompt_id = client.submit(endless_prompt(79))
    while True:
        message = client.receive()
        if isinstance(message, dict) and message["type"] == "progress":
            break
    client.socket.close()
    back = connect(client_id)
    first, second = back.receive(), back.receive()
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["data"]["status"]["exec_info"]["queue_remaining"] == 1
    assert (second["type"], second["data"]["prompt_id"]) == ("executing", prompt_id)
    assert second["data"]["node"] == message["data"]["node"]
    httpx.post(f"{service.url}/interrupt", json={"prompt_id": prompt_id})
    assert types(back.until_done(prompt_id))[-3:] == ["execution_interrupted", "status", "executing"]


def test_who_comes_after_the_end_is_told_that_nothing_remains(
    connect: Callable[..., Talk], service: Service, http: httpx.Client
) -> None:
    client_id = uuid.uuid4().hex
    prompt_id = http.post("/prompt", json={"prompt": picture_prompt(46), "client_id": client_id}).json()["prompt_id"]
    service.ended(prompt_id)
    first = connect(client_id).receive()
    assert isinstance(first, dict)
    assert first["data"]["status"]["exec_info"]["queue_remaining"] == 0
    assert prompt_id in http.get(f"/history/{prompt_id}").json()


def test_submitting_first_and_connecting_then_never_looks_done(tmp_path: Path) -> None:
    """The order in which some clients do it: a first message that says 0 would be taken for the end."""
    with serving(tmp_path) as web:  # without a worker, so that what was submitted waits
        for number in range(1, 21):
            client_id = uuid.uuid4().hex
            body = {"prompt": picture_prompt(number), "client_id": client_id}
            assert httpx.post(f"{web.url}/prompt", json=body).status_code == 200
            url = f"{web.url.replace('http', 'ws')}/ws?clientId={client_id}"
            with closing(websocket.create_connection(url, timeout=60)) as socket:
                first = json.loads(socket.recv())
            assert first["data"]["status"]["exec_info"]["queue_remaining"] == number


def test_the_newest_socket_of_an_id_gets_its_messages(connect: Callable[..., Talk]) -> None:
    for number in range(10):  # the server may be done with the old one later than with the new one
        old, new = connect("twice"), connect("twice")
        new.receive()
        assert "execution_success" in types(new.until_done(new.submit(picture_prompt(4700 + number))))
    old.socket.close()  # takes nothing from the new one
    assert "execution_success" in types(new.until_done(new.submit(picture_prompt(48))))


def test_many_sockets_hear_of_the_queue(service: Service, http: httpx.Client) -> None:
    url = service.url.replace("http", "ws") + "/ws"
    sockets = [websocket.create_connection(url, timeout=60) for _ in range(100)]
    for socket in sockets:
        socket.recv()
    http.post("/prompt", json={"prompt": picture_prompt(49)})
    for socket in sockets:
        until(lambda: json.loads(socket.recv())["data"]["status"]["exec_info"]["queue_remaining"] == 0)  # noqa: B023
        socket.close()
