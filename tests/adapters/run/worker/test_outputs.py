"""Everything that output nodes made becomes outputs with good names."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.host.plain import plain
from adapters.run.worker.outputs import collect
from adapters.service.blobs.store import BlobStore
from engine.errors import DagfusionError
from engine.folders import Folders
from engine.result import NodeResult, RunResult
from engine.types import SavedFile


def result(*nodes: NodeResult) -> RunResult:
    return RunResult({node.node_id: node for node in nodes}, {}, 0.0)


def test_files_and_data_of_all_nodes_come_in_order(tmp_path: Path) -> None:
    (tmp_path / "output" / "sub").mkdir(parents=True)
    (tmp_path / "output" / "sub" / "film.mp4").write_bytes(b"film")
    film = SavedFile("film.mp4", "sub", "output", "video/mp4")
    nodes = (
        NodeResult("9", "SaveVideo", {"images": (film,), "animated": (True,)}, cached=False),
        NodeResult("a/b:c", "PreviewAny", {"text": ("hello", "you")}, cached=True),
    )
    blobs = BlobStore(tmp_path / "blobs")
    made = collect(result(*nodes), Folders(output=tmp_path / "output"), blobs, since=0.0)
    assert [one.name for one in made] == ["9_images_0.mp4", "9_animated_0", "a-b-c_text_0", "a-b-c_text_1"]
    assert [one.data for one in made] == [None, True, "hello", "you"]
    assert [one.cached for one in made] == [False, False, True, True]
    assert made[0].digest is not None
    assert blobs.open(made[0].digest).read() == b"film"
    assert (made[0].folder, made[0].subfolder, made[0].filename) == ("output", "sub", "film.mp4")


def test_a_file_that_a_node_only_shows_counts_as_found(tmp_path: Path) -> None:
    began = time.time()
    for name, changed_at in (("by_hand.png", began - 3600), ("made.png", began)):
        (tmp_path / name).write_bytes(name.encode())
        os.utime(tmp_path / name, (changed_at, changed_at))
    shown = tuple(SavedFile(name, "", "output", "image/png") for name in ("by_hand.png", "made.png"))
    node = NodeResult("1", "Own", {"images": shown}, cached=False)
    made = collect(result(node), Folders(output=tmp_path), BlobStore(tmp_path / "blobs"), since=began)
    assert [one.found for one in made] == [True, False]


def test_a_file_that_has_vanished_is_named(tmp_path: Path) -> None:
    gone = SavedFile("gone.png", "", "output", "image/png")
    node = NodeResult("1", "SaveImage", {"images": (gone,)}, cached=False)
    with pytest.raises(DagfusionError, match=r"gone\.png"):
        collect(result(node), Folders(output=tmp_path), BlobStore(tmp_path / "blobs"), since=0.0)


@given(st.lists(st.text(max_size=12), unique=True, max_size=6), st.lists(st.text(max_size=8), unique=True, max_size=3))
def test_names_are_unique_and_fit_into_urls(tmp_path_factory: Any, node_ids: list[str], kinds: list[str]) -> None:
    nodes = [NodeResult(node_id, "X", dict.fromkeys(kinds, (1, 2)), cached=False) for node_id in node_ids]
    blobs = BlobStore(tmp_path_factory.getbasetemp() / "blobs")
    names = [one.name for one in collect(result(*nodes), Folders(), blobs, since=0.0)]
    assert len(set(names)) == len(names) == len(node_ids) * len(kinds) * 2
    assert all(name.isascii() and "/" not in name and len(name) <= 300 for name in names)


def test_what_json_cannot_hold_becomes_null_or_text() -> None:
    assert plain({"a": (float("nan"), 1.5), 2: Path("x"), "f": SavedFile("n", "s", "temp", "m")}) == {
        "a": [None, 1.5],
        "2": "x",
        "f": {"filename": "n", "subfolder": "s", "type": "temp"},
    }
    assert plain("half \ud800 a pair") == "half ? a pair"
