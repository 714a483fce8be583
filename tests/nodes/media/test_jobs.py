"""Media files in whole jobs: what is wrong with them is told by node, without a path, and what can be shown is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from benchmarks.media.films import colours
from benchmarks.media.row import UPRIGHT, Row
from benchmarks.media.rows import rows
from benchmarks.media.rows.faulty import faulty_rows, song_with_bomb
from engine.engine import Engine
from engine.errors import NodeFailed
from engine.events import Event, NodeNote
from engine.folders import Folders
from engine.model_store import ModelStore
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry

ROWS = {row.file: row for row in rows()}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    folders = Folders({}, tmp_path / "input", output=tmp_path / "output", temp=tmp_path / "temp")
    folders.input.mkdir()
    return Engine(builtin_registry(), folders, ModelStore("cpu", "float32"))


def load(engine: Engine, row: Row) -> tuple[dict[str, tuple[Any, ...]], list[str]]:
    """What the job shows of the file, and its notes."""
    loads = {
        "picture": {"1": node("LoadImage", image=row.file), "9": node("PreviewImage", images=["1", 0])},
        "sound": {"1": node("LoadAudio", audio=row.file), "9": node("PreviewAudio", audio=["1", 0])},
        "film": {
            "0": node("LoadVideo", file=row.file),
            "1": node("GetVideoComponents", video=["0", 0]),
            "9": node("PreviewImage", images=["1", 0]),
        },
    }
    notes: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, NodeNote):
            notes.append(event.message)

    documents = {name: NodeDocument(**entry) for name, entry in loads[row.kind].items()}
    result = engine.run(Workflow(nodes=documents), listeners=[listen])
    return dict(result.outputs["9"].shown), notes


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def first_picture(engine: Engine, shown: dict[str, tuple[Any, ...]]) -> np.ndarray:
    with Pillow.open(engine.folders.path_of(shown["images"][0])) as picture:
        return np.asarray(picture.convert("RGB")) / 255


@pytest.mark.parametrize("row", faulty_rows(), ids=lambda row: row.file)
def test_a_faulty_file_is_one_error_that_names_the_node_and_no_path(engine: Engine, row: Row) -> None:
    row.make(engine.folders.input / row.file)
    with pytest.raises(NodeFailed, match=r"node 1 \((LoadImage|LoadAudio|GetVideoComponents)\), input") as caught:
        load(engine, row)
    assert row.refused is not None
    assert row.refused in str(caught.value)
    assert str(engine.folders.input) not in str(caught.value)
    assert caught.value.remedy


def test_a_jpeg_that_is_cut_short_is_shown_as_far_as_it_goes_and_the_job_says_so(engine: Engine) -> None:
    row = ROWS["cut.jpg"]
    row.make(engine.folders.input / row.file)
    shown, notes = load(engine, row)
    np.testing.assert_allclose(colours(first_picture(engine, shown))[:2], UPRIGHT[:2], atol=3)
    assert notes == ["'cut.jpg': it is cut short: its last rows are grey"]


@pytest.mark.parametrize("file", ["tiles.avif", "tiles.heic", "smaller.ts", "fields.mp4", "film.png"])
def test_what_can_be_shown_is(engine: Engine, file: str) -> None:
    row = ROWS[file]
    row.make(engine.folders.input / row.file)
    picture = first_picture(engine, load(engine, row)[0])
    if "size" in row.expected:
        assert picture.shape[1::-1] == row.expected["size"]
    if "corners" in row.expected:
        np.testing.assert_allclose(colours(picture), row.expected["corners"], atol=4)


@pytest.mark.parametrize("file", ["late_vorbis.ogg", "chain_libopus.ogg"])
def test_ogg_that_starts_late_or_is_chained(engine: Engine, file: str) -> None:
    from nodes.media import sound

    row = ROWS[file]
    row.make(engine.folders.input / row.file)
    shown, _ = load(engine, row)
    heard = sound.read(engine.folders.path_of(shown["audio"][0]))
    seconds = heard.waveform.shape[-1] / heard.sample_rate_hz
    assert seconds == pytest.approx(row.expected["sound_s"], abs=0.045)


def test_a_song_with_a_huge_cover_is_heard(engine: Engine) -> None:
    song_with_bomb(engine.folders.input / "song.mp3", side=9000)
    shown, notes = load(engine, Row("song", "song.mp3", song_with_bomb, {}, kind="sound"))
    assert len(shown["audio"]) == 1
    assert notes == []
