"""Parts that no client shows on its own: the outbox, ranges of distant blobs, new files, frames."""

from __future__ import annotations

import asyncio
import hashlib
import io
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from starlette.responses import Response
from starlette.testclient import TestClient

from adapters.doors.http.comfy.frames import without_texts
from adapters.doors.http.comfy.messages import Message
from adapters.doors.http.comfy.outbox import MAX_WAITING, MAX_WAITING_BYTES, OutboxFull, PreviewPicture, SendQueue
from adapters.doors.http.comfy.prompt_errors import reply
from adapters.doors.http.comfy.ranges import blob_response
from adapters.doors.http.comfy.view import disposition
from adapters.doors.http.comfy.wire_files import is_plain
from adapters.service.blobs.store import BlobStore
from adapters.service.new_files import publish
from adapters.service.store.errors import QueueFull

DATA = bytes(range(256)) * 10


def heard(outbox: SendQueue, count: int) -> list[object]:
    async def take() -> list[object]:
        return [await outbox.next() for _ in range(count)]

    return asyncio.run(take())


def test_messages_stay_in_order_and_only_the_newest_preview_is_sent() -> None:
    outbox = SendQueue("me")
    outbox.put(Message("a", {}))
    for picture in (b"1", b"2"):
        outbox.show(picture, "image/jpeg", {}, to_all=True)
    outbox.put(Message("b", {}))
    assert heard(outbox, 3) == [Message("a", {}), Message("b", {}), PreviewPicture(b"2", "image/jpeg", {})]


def test_a_preview_of_a_node_that_has_ended_is_not_sent() -> None:
    outbox = SendQueue("me", flags={"supports_preview_metadata": True})
    outbox.show(b"1", "image/jpeg", {}, to_all=False)
    outbox.put(Message("executing", {"node": "5"}))
    outbox.put(Message("last", {}))
    assert heard(outbox, 2)[1] == Message("last", {})
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(outbox.next(), 0.05))


def test_a_number_that_nobody_has_read_is_replaced_but_never_the_first() -> None:
    outbox = SendQueue("me")
    outbox.put_status(5, first=True)
    for remaining in (4, 3, 2):
        outbox.put_status(remaining)
    first, second = heard(outbox, 2)
    assert first == Message("status", {"status": {"exec_info": {"queue_remaining": 5}}, "sid": "me"})
    assert second == Message("status", {"status": {"exec_info": {"queue_remaining": 2}}})


def test_of_the_states_of_a_job_the_newest_is_sent_in_its_place() -> None:
    outbox = SendQueue("me")
    states = {"a": 0, "b": 0}

    def change(prompt_id: str) -> None:
        states[prompt_id] += 1
        outbox.put_states(prompt_id, lambda: Message("progress_state", {prompt_id: states[prompt_id]}))

    for number in range(3):
        change("a")
        outbox.put(Message("executing", {"node": str(number)}))
    change("b")
    news = [message for message in heard(outbox, 5) if isinstance(message, Message)]
    assert [message.type for message in news] == [
        "executing",
        "executing",
        "progress_state",
        "executing",
        "progress_state",
    ]
    assert [message.data for message in news if message.type == "progress_state"] == [{"a": 3}, {"b": 1}]
    change("a")
    assert heard(outbox, 1) == [Message("progress_state", {"a": 4})]


def test_a_client_that_does_not_read_is_dropped() -> None:
    outbox = SendQueue("me")
    for number in range(MAX_WAITING + 1):
        outbox.put(Message("progress", {"value": number}))
    with pytest.raises(OutboxFull):
        heard(outbox, 1)


def test_a_full_queue_is_told_in_comfyuis_words() -> None:
    status, body = reply(QueueFull(5, retry_after_s=7))
    assert status == 503
    assert body["error"]["type"] == "queue_full"
    assert set(body["error"]) == {"type", "message", "details", "extra_info"}
    assert body["node_errors"] == {}


@pytest.fixture
def distant() -> TestClient:
    """A route over a blob store that has no local paths."""
    blobs = BlobStore("memory://parts")
    digest = blobs.put_bytes(DATA).digest
    app = FastAPI()

    @app.get("/blob")
    def blob(request: Request) -> Response:
        return blob_response(request, blobs, digest, "application/octet-stream", {})

    return TestClient(app)


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        (None, 200, 0, len(DATA) - 1),
        ("bytes=0-0", 206, 0, 0),
        ("bytes=10-19", 206, 10, 19),
        ("bytes=100-", 206, 100, len(DATA) - 1),
        ("bytes=-5", 206, len(DATA) - 5, len(DATA) - 1),
        ("bytes=-999999", 206, 0, len(DATA) - 1),
        ("bytes=5-999999", 206, 5, len(DATA) - 1),
        ("bytes=0-1,5-6", 200, 0, len(DATA) - 1),
        ("bytes=-", 200, 0, len(DATA) - 1),
        ("lines=1-2", 200, 0, len(DATA) - 1),
    ],
)
def test_a_range_of_a_distant_blob(distant: TestClient, asked: str | None, status: int, first: int, last: int) -> None:
    reply = distant.get("/blob", headers={} if asked is None else {"Range": asked})
    assert reply.status_code == status
    assert reply.content == DATA[first : last + 1]
    assert reply.headers["content-length"] == str(last - first + 1)
    if status == 206:
        assert reply.headers["content-range"] == f"bytes {first}-{last}/{len(DATA)}"


@pytest.mark.parametrize("asked", ["bytes=2560-", "bytes=9-8", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(distant: TestClient, asked: str) -> None:
    reply = distant.get("/blob", headers={"Range": asked})
    assert (reply.status_code, reply.headers["content-range"]) == (416, f"bytes */{len(DATA)}")


def test_a_file_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def write(part: Path) -> None:
        part.write_bytes(b"half")
        raise ZeroDivisionError

    (tmp_path / "a.png").write_bytes(b"whole")
    with pytest.raises(ZeroDivisionError):
        publish(tmp_path, "a.png", write, overwrite=True)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"whole")]


def test_a_sent_picture_loses_its_texts_and_no_pixel() -> None:
    texts, file = PngImagePlugin.PngInfo(), io.BytesIO()
    texts.add_text("prompt", "{}")
    texts.add_text("long", "x" * 5000, zip=True)
    texts.add_itxt("workflow", "ä")
    picture = Image.effect_noise((40, 30), 50).convert("RGB")
    picture.save(file, "PNG", pnginfo=texts)
    sent = Image.open(io.BytesIO(without_texts(file.getvalue())))
    assert sent.text == {}  # type: ignore[attr-defined]
    assert hashlib.sha256(sent.tobytes()).digest() == hashlib.sha256(picture.tobytes()).digest()


@given(st.binary(max_size=200))
def test_whatever_is_called_a_picture_goes_through(data: bytes) -> None:
    assert without_texts(data) == data
    without_texts(b"\x89PNG\r\n\x1a\n" + data)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_files_name_fits_into_a_header(name: str) -> None:
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.startswith(('filename="', 'attachment; filename="'))


@given(st.text(st.sampled_from("./\\ab:\0 \n~é"), max_size=12))
def test_a_plain_name_stays_below_its_folder(name: str) -> None:
    if is_plain(name):
        path = Path("/root/folder") / name.replace("\\", "/")
        assert Path("/root/folder") in path.parents
        assert ".." not in path.parts
        assert "\0" not in name


def test_a_client_that_does_not_read_is_kept_no_more_than_a_bound_of_bytes() -> None:
    outbox = SendQueue("it")
    for _ in range(200):
        outbox.put(Message("executed", {"output": {"text": ["x" * 60_000]}}))
    assert sum(len(entry.data["output"]["text"][0]) for entry in outbox._waiting) <= MAX_WAITING_BYTES
    with pytest.raises(OutboxFull):
        asyncio.run(outbox.next())
    reader = SendQueue("it")
    for number in range(1000):  # far more in all, but read
        reader.put(Message("executed", {"text": "x" * 60_000, "number": number}))
        entry = asyncio.run(reader.next())
        assert isinstance(entry, Message) and entry.data["number"] == number
