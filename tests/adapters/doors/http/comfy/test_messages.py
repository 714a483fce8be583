"""Events as the messages that ComfyUI's clients get."""

from __future__ import annotations

import itertools
import struct
from typing import Any

from adapters.doors.http.comfy.frames import picture_frame, picture_frame_with_metadata
from adapters.doors.http.comfy.history_entry import history_entry
from adapters.doors.http.comfy.messages import Conversation, FinalPicture, Message, QueueChanged, Sent, StatesChanged
from adapters.service.store.records import Job, JobState, StoredEvent

JOB = "8f0e"
PROMPT = {
    "1": {"class_type": "EmptyImage", "inputs": {}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
    "3": {"class_type": "SaveImageWebsocket", "inputs": {"images": ["1", 0]}},
}
FILE = {"filename": "a_00001_.png", "subfolder": "", "type": "output"}
NODE_1 = {"node_id": "1", "class_type": "EmptyImage", "display_id": "1"}
NODE_2 = {"node_id": "2", "class_type": "SaveImage", "display_id": "2"}
NODE_3 = {"node_id": "3", "class_type": "SaveImageWebsocket", "display_id": "3"}
ERROR = {
    "type": "NodeFailed",
    "message": "node 2 (SaveImage): the disk is full",
    "remedy": "make room",
    "node_id": "2",
    "class_type": "SaveImage",
    "cause_type": "OSError",
    "inputs": {"filename_prefix": "a"},
}


def job(**more: Any) -> Job:
    fields: dict[str, Any] = dict.fromkeys(Job.__dataclass_fields__)
    given = {"id": JOB, "prompt": PROMPT, "extra_pnginfo": {}, "options": {}, "targets": None, "rank": 4.0}
    return Job(**fields | given | {"client_id": "me", "state": JobState.COMPLETED} | more)


def events(*told_events: tuple[str, dict[str, Any]]) -> list[StoredEvent]:
    numbers = itertools.count(1)
    return [StoredEvent(n := next(numbers), JOB, n, 1000.0 + n, kind, data) for kind, data in told_events]


def told(*told_events: tuple[str, dict[str, Any]], live: bool = False) -> list[Sent]:
    conversation = Conversation(job(), live=live)
    return [read(conversation, sent) for event in events(*told_events) for sent in conversation.take(event)]


def read(conversation: Conversation, sent: Sent) -> Sent:
    """What a client gets that reads everything at once."""
    return conversation.progress_state() if isinstance(sent, StatesChanged) else sent


def names(sent: list[Sent]) -> list[str]:
    return [one.type if isinstance(one, Message) else type(one).__name__ for one in sent]


START = (
    ("queued", {"priority": 0}),
    ("started", {"attempt": 1, "worker": "w"}),
    ("run_started", {"steps": ["1", "2"], "cached": []}),
)
SAVED = ("node_finished", NODE_2 | {"shown": {"images": [FILE]}, "cached": False, "seconds": 0.1})


def test_a_run_is_told_in_comfyuis_order() -> None:
    sent = told(
        *START,
        ("node_started", NODE_1),
        ("node_progress", {"node_id": "1", "value": 1, "total": 2}),
        ("node_finished", NODE_1 | {"shown": {}, "cached": False, "seconds": 0.1}),
        ("node_started", NODE_2),
        SAVED,
        ("completed", {"seconds": 0.2}),
        live=True,
    )
    assert names(sent) == [
        *("QueueChanged", "QueueChanged", "execution_start", "execution_cached"),
        *("progress_state", "executing", "progress_state", "progress", "progress_state"),
        *("progress_state", "executing", "executed", "progress_state"),
        *("execution_success", "QueueChanged", "executing"),
    ]
    by_name = {one.type: one.data for one in sent if isinstance(one, Message)}
    assert by_name["execution_start"] == {"prompt_id": JOB, "timestamp": 1002000}
    assert by_name["progress"] == {"value": 1, "max": 2, "node": "1", "prompt_id": JOB}
    assert by_name["executed"] == {"node": "2", "display_node": "2", "output": {"images": [FILE]}, "prompt_id": JOB}
    assert by_name["executing"] == {"node": None, "prompt_id": JOB}
    assert by_name["progress_state"]["nodes"]["1"] == {
        "value": 2,
        "max": 2,
        "state": "finished",
        "prompt_id": JOB,
        "node_id": "1",
        "display_node_id": "1",
        "parent_node_id": None,
        "real_node_id": "1",
    }


def test_a_known_output_is_told_like_a_fresh_one() -> None:
    cached = ("node_finished", NODE_2 | {"shown": {"images": [FILE]}, "cached": True, "seconds": 0.0})
    sent = told(*START[:2], ("run_started", {"steps": [], "cached": ["1", "2"]}), cached, ("completed", {}))
    assert names(sent)[2:] == [
        "execution_start",
        "execution_cached",
        "executed",
        "execution_success",
        "QueueChanged",
        "executing",
    ]
    assert [one.data for one in sent if isinstance(one, Message) and one.type == "execution_cached"] == [
        {"prompt_id": JOB, "nodes": ["1", "2"], "timestamp": 1003000}
    ]


def test_a_failure_names_the_node_and_what_it_was_given() -> None:
    sent = told(*START, ("node_started", NODE_2), ("failed", {"error": ERROR}))
    error = next(one for one in sent if isinstance(one, Message) and one.type == "execution_error")
    assert error.data == {
        "prompt_id": JOB,
        "node_id": "2",
        "node_type": "SaveImage",
        "executed": [],
        "exception_message": "node 2 (SaveImage): the disk is full\nmake room",
        "exception_type": "OSError",
        "traceback": [],
        "current_inputs": {"filename_prefix": ["a"]},
        "current_outputs": [],
        "timestamp": 1005000,
    }
    assert names(sent)[-3:] == ["execution_error", "QueueChanged", "executing"]


def test_a_lost_worker_is_told_for_the_node_that_ran() -> None:
    error = {"type": "WorkerLost", "message": "the worker died", "remedy": ""}
    sent = told(*START, ("node_started", NODE_1), ("failed", {"error": error}))
    last = next(one for one in sent if isinstance(one, Message) and one.type == "execution_error")
    assert (last.data["node_id"], last.data["node_type"], last.data["exception_type"]) == (
        "1",
        "EmptyImage",
        "WorkerLost",
    )


def test_an_interrupted_run_is_told_so_and_a_removed_one_not() -> None:
    sent = told(*START, ("node_started", NODE_1), ("cancel_requested", {}), ("cancelled", {}))
    assert names(sent)[-3:] == ["execution_interrupted", "QueueChanged", "executing"]
    assert names(told(START[0], ("cancelled", {}))) == ["QueueChanged", "QueueChanged"]


def test_a_second_attempt_starts_anew() -> None:
    again = (("requeued", {"attempt": 1, "reason": {}}), *START[1:], ("node_started", NODE_2), SAVED, ("completed", {}))
    failed_once = (*START, ("node_started", NODE_1))
    assert names(told(*failed_once, *again)).count("execution_start") == 2
    entry = history_entry(job(), events(*failed_once, *again), {})
    assert [name for name, _ in entry["status"]["messages"]] == [
        "execution_start",
        "execution_cached",
        "execution_success",
    ]


def test_a_blocked_output_is_told_but_the_run_goes_on() -> None:
    sent = told(*START, ("node_blocked", NODE_2 | {"message": "nothing to save"}), ("completed", {}))
    blocked = sent[4]
    assert isinstance(blocked, Message)
    assert blocked.data["exception_message"] == "ExecutionBlocked: nothing to save"
    assert not blocked.recorded
    assert "execution_success" in names(sent)


def test_pictures_for_the_socket_come_before_the_node_is_told_done() -> None:
    files = [FILE | {"filename": name, "type": "temp"} for name in ("a.png", "b.png")]
    shown = {"shown": {"images": files}, "cached": False, "seconds": 0.1, "sent": ["0a", "0b"]}
    sent = told(*START, ("node_started", NODE_3), ("node_finished", NODE_3 | shown))
    pictures = [one for one in sent if isinstance(one, FinalPicture)]
    assert [(one.file["filename"], one.digest) for one in pictures] == [("a.png", "0a"), ("b.png", "0b")]
    assert names(sent)[-4:] == ["executing", "FinalPicture", "FinalPicture", "executed"]


def test_a_node_of_an_expansion_is_told_with_the_node_that_it_belongs_to() -> None:
    inner = {"node_id": "1.0.x", "class_type": "EmptyImage", "display_id": "1"}
    sent = told(*START, ("node_started", NODE_1), ("node_started", inner), ("failed", {"error": ERROR}), live=True)
    state = next(one.data for one in reversed(sent) if isinstance(one, Message) and one.type == "progress_state")
    assert state["nodes"]["1.0.x"]["parent_node_id"] == "1"
    assert state["nodes"]["1.0.x"]["real_node_id"] == "1"
    assert list(state["nodes"]) == ["1", "1.0.x"]


def test_the_state_of_a_large_run_stays_small() -> None:
    conversation = Conversation(job())
    told_events: list[tuple[str, dict[str, Any]]] = [("started", {}), ("node_started", NODE_1)]
    for number in range(1000):
        node = {"node_id": f"n{number}", "class_type": "EmptyImage", "display_id": f"n{number}"}
        told_events += [("node_started", node), ("node_finished", node | {"shown": {}, "cached": False, "seconds": 0})]
    sent = [one for event in events(*told_events) for one in conversation.take(event)]
    last = read(conversation, sent[-1])
    assert isinstance(last, Message)
    assert len(last.data["nodes"]) == 201
    assert "1" in last.data["nodes"]  # it still runs


def test_who_comes_back_is_told_what_runs() -> None:
    conversation = Conversation(job())
    for event in events(*START, ("node_started", NODE_1)):
        conversation.take(event)
    assert conversation.executing() == Message("executing", {"node": "1", "display_node": "1", "prompt_id": JOB})
    assert Conversation(job()).executing() is None


def test_a_history_entry_has_everything() -> None:
    extra = {"extra_data": {"a": 1}, "previews": True}
    done = job(options=extra, extra_pnginfo={"workflow": {}}, targets=("2",))
    entry = history_entry(done, events(*START, ("node_started", NODE_2), SAVED, ("completed", {})), {})
    extra_data = {"a": 1, "extra_pnginfo": {"workflow": {}}, "client_id": "me"}
    assert entry["prompt"] == [4, JOB, PROMPT, extra_data, ["2"]]
    assert entry["outputs"] == {"2": {"images": [FILE]}}
    assert entry["meta"] == {
        "2": {"node_id": "2", "display_node": "2", "parent_node": None, "real_node_id": "2"},
    }
    assert entry["status"]["status_str"] == "success"
    assert entry["status"]["completed"] is True
    assert entry["status"]["messages"][0] == ["execution_start", {"prompt_id": JOB, "timestamp": 1002000}]


def test_a_failed_jobs_entry_keeps_what_was_made_before() -> None:
    entry = history_entry(job(state=JobState.FAILED), events(*START, SAVED, ("failed", {"error": ERROR})), {})
    assert entry["outputs"] == {"2": {"images": [FILE]}}
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False)
    assert entry["status"]["messages"][-1][0] == "execution_error"


def test_every_kind_of_event_that_has_no_message_is_left_out() -> None:
    assert told(("cancel_requested", {}), ("requeued", {"attempt": 1, "reason": {}}), ("never_heard_of", {})) == []
    assert told(("queued", {})) == [QueueChanged()]


def test_frames_have_their_headers() -> None:
    assert picture_frame(b"jpg", "image/jpeg") == struct.pack(">II", 1, 1) + b"jpg"
    assert picture_frame(b"png", "image/png") == struct.pack(">II", 1, 2) + b"png"
    frame = picture_frame_with_metadata(b"png", "image/png", {"node_id": "3"})
    kind, length = struct.unpack(">II", frame[:8])
    assert kind == 4
    assert frame[8 : 8 + length] == b'{"node_id": "3", "image_type": "image/png"}'
    assert frame[8 + length :] == b"png"
