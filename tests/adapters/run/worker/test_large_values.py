"""Events and rows hold little of what nodes show; all of it is among the outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.run.worker.large_values import INLINE_BYTES, as_json, shown_in_event
from adapters.run.worker.new_events import new_event_of
from adapters.run.worker.outputs import collect
from adapters.service.blobs.store import BlobStore
from engine.events import NodeBlocked
from engine.folders import Folders
from engine.result import NodeResult, RunResult
from engine.types import SavedFile

FILE = SavedFile("a.png", "", "output", "image/png")
_WORDS = 300  # bytes that a note about what is left out takes at most
LARGE = st.integers(0, 3 * INLINE_BYTES)
ITEMS = st.lists(LARGE.map(lambda size: "x" * size) | st.text() | st.lists(st.integers()) | st.just(FILE), max_size=12)


@given(st.dictionaries(st.text(max_size=5), ITEMS, max_size=3))
def test_an_event_is_bounded_and_keeps_all_files_in_their_order(shown: dict[str, list[Any]]) -> None:
    told = shown_in_event(shown)
    values = [one for items in told.values() for one in items if one != FILE.as_wire()]
    assert len(as_json(values)) <= INLINE_BYTES + _WORDS * (1 + len(shown))
    for kind, items in shown.items():
        files = [one for one in told[kind] if one == FILE.as_wire()]
        assert len(files) == items.count(FILE)
    small = [one for items in shown.values() for one in items if one != FILE]
    told_all = {kind: [FILE.as_wire() if one == FILE else one for one in items] for kind, items in shown.items()}
    if len(as_json(small)) <= INLINE_BYTES:
        assert told == told_all


def test_what_is_left_out_is_told() -> None:
    (beginning,) = shown_in_event({"text": ["é" * 100_000]})["text"]
    assert beginning.startswith("é" * 32_000) and "beginning of 200,000 bytes" in beginning
    told = shown_in_event({"text": ["word"] * 100_000})["text"]
    assert told[0] == "word" and len(told) < 20_000
    kept = sum(one == "word" for one in told)
    assert f"{100_000 - kept - 1:,} more" in told[-1] or f"{100_000 - kept:,} more" in told[-1]


def test_a_blocked_nodes_message_is_short() -> None:
    entry = new_event_of(NodeBlocked(node_id="1", class_type="X", display_id="1", message="m" * 10**6))
    assert entry is not None and len(json.dumps(entry.data)) < 5_000


@pytest.mark.parametrize(
    ("value", "media_type", "suffix"),
    [
        ("x" * (INLINE_BYTES - 2), None, ""),
        ("x" * (INLINE_BYTES - 1), "text/plain", ".txt"),
        ("é\n" * INLINE_BYTES, "text/plain", ".txt"),
        ([1.5] * INLINE_BYTES, "application/json", ".json"),
        ({"boxes": [1] * 100}, None, ""),
    ],
)
def test_large_values_are_blobs(tmp_path: Path, value: Any, media_type: str | None, suffix: str) -> None:
    blobs = BlobStore(tmp_path / "blobs")
    node = NodeResult("7", "PreviewAny", {"text": (value,)}, cached=False)
    (made,) = collect(RunResult({"7": node}, {}, 0.0), Folders(), blobs, since=0.0)
    assert (made.name, made.media_type, made.filename) == (f"7_text_0{suffix}", media_type, None)
    if made.digest is None:
        assert made.data == value
        return
    contents = b"".join(blobs.chunks(made.digest))
    assert (made.data, made.size_bytes) == (None, len(contents))
    assert (contents.decode() if suffix == ".txt" else json.loads(contents)) == value
