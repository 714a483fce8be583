"""Workflows with films and sound as ComfyUI 0.33.0's front end writes them, and as older ones did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from benchmarks.media.films import Film
from engine.engine import Engine
from engine.errors import GraphInvalid, NodeFailed
from engine.folders import Folders
from engine.model_store import ModelStore
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry

Graph = dict[str, dict[str, Any]]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    folders = Folders({}, tmp_path / "input", output=tmp_path / "output", temp=tmp_path / "temp")
    folders.input.mkdir()
    return Engine(builtin_registry(), folders, ModelStore("cpu", "float32"))


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": {name.replace("__", "."): value for name, value in inputs.items()}}


def run(engine: Engine, graph: Graph) -> dict[str, dict[str, tuple[Any, ...]]]:
    documents = {node_id: NodeDocument(**document) for node_id, document in graph.items()}
    result = engine.run(Workflow(nodes=documents))
    return {node_id: dict(output.shown) for node_id, output in result.outputs.items()}


def film(**more: Any) -> Graph:
    return {
        "1": node("EmptyImage", width=64, height=64, batch_size=4, color=16744512),
        "2": node("CreateVideo", images=["1", 0], fps=8.0, **more),
    }


def stream_of(engine: Engine, shown: dict[str, tuple[Any, ...]]) -> tuple[str, str, str]:
    """(suffix, picture codec, pixel format) of the saved file."""
    path = engine.folders.path_of(shown["images"][0])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return path.suffix, stream.codec.canonical_name, stream.format.name


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"format": "auto", "format__codec": "auto"}, (".mp4", "h264", "yuv420p")),
        ({"format": "webm", "format__codec": "auto"}, (".webm", "av1", "yuv420p10le")),
        ({"format": "mkv", "format__codec": "h264"}, (".mkv", "h264", "yuv420p")),
        ({"format": "mp4", "format__codec": "h264", "format__codec__encoding": "auto"}, (".mp4", "h264", "yuv420p")),
        (
            {"format": "mp4", "format__codec": "h264", "format__codec__encoding": "re-encode"}
            | {"format__codec__encoding__crf": 30.0},
            (".mp4", "h264", "yuv420p"),
        ),
        (
            {"format": "mp4", "format__codec": "h264", "format__codec__encoding": "re-encode"}
            | {"format__codec__encoding__crf": ["9", 0], "format__codec__encoding__color_space": "HDR"},
            (".mp4", "h264", "yuv420p10le"),
        ),
        ({"format": "mp4", "codec": "h264"}, (".mp4", "h264", "yuv420p")),
        ({"format": "mp4", "codec": "av1"}, (".mp4", "av1", "yuv420p10le")),
        ({"format": "mp4"}, (".mp4", "h264", "yuv420p")),
        ({}, (".mp4", "h264", "yuv420p")),
    ],
)
def test_save_video_takes_its_formats(engine: Engine, inputs: dict[str, Any], expected: tuple[str, ...]) -> None:
    graph = film() | {"3": node("SaveVideo", video=["2", 0], filename_prefix="v/x", **inputs)}
    graph["9"] = node("PrimitiveFloat", value=40.0)
    assert stream_of(engine, run(engine, graph)["3"]) == expected


def test_crf_counts(engine: Engine) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (10, 96, 128, 3), dtype=np.uint8)
    Film(frames=10, pixels=lambda number: noise[number]).write(engine.folders.input / "film.mp4")
    sizes = []
    for crf in (1.0, 51.0):
        inputs = {"format__codec": "h264", "format__codec__encoding": "re-encode", "format__codec__encoding__crf": crf}
        graph = {
            "1": node("LoadVideo", file="film.mp4"),
            "2": node("SaveVideo", video=["1", 0], filename_prefix="x", format="mp4", **inputs),
        }
        sizes.append(engine.folders.path_of(run(engine, graph)["2"]["images"][0]).stat().st_size)
    assert sizes[0] > 5 * sizes[1]


@pytest.mark.parametrize(
    ("inputs", "input", "code"),
    [
        ({"format": "gif"}, "format", "value_not_in_list"),
        ({"format": "webm", "format__codec": "h264"}, "format.codec", "value_not_in_list"),
        (
            {"format": "mp4", "format__codec": "av1", "format__codec__encoding": "re-encode"}
            | {"format__codec__encoding__crf": 64.0},
            "format.codec.encoding.crf",
            "value_bigger_than_max",
        ),
        ({"format": "mp4", "format__codec": ["8", 0]}, "format.codec", "bad_linked_input"),
    ],
)
def test_wrong_values_of_nested_inputs_are_told(engine: Engine, inputs: dict[str, Any], input: str, code: str) -> None:
    graph = film() | {"3": node("SaveVideo", video=["2", 0], filename_prefix="v/x", **inputs)}
    with pytest.raises(GraphInvalid) as caught:
        run(engine, graph)
    assert [(problem.input, problem.code) for problem in caught.value.problems] == [(input, code)]


def test_what_is_saved_is_handed_on(engine: Engine) -> None:
    graph = film() | {
        "3": node("SaveVideo", video=["2", 0], filename_prefix="a", format="auto", format__codec="auto"),
        "4": node("GetVideoComponents", video=["3", 0]),
        "5": node("PreviewAny", source=["4", 3]),
        "6": node("PreviewAny", source=["4", 4]),
        "7": node("SaveWEBM", images=["4", 0], filename_prefix="w", codec="vp9", fps=8.0, crf=40.0),
        "8": node("SaveAnimatedWEBP", images=["7", 0], filename_prefix="p", fps=8.0, lossless=False, quality=50)
        | {"_meta": {"title": "p"}},
        "9": node("SaveAnimatedPNG", images=["8", 0], filename_prefix="q", fps=8.0, compress_level=4),
        "10": node("PreviewImage", images=["9", 0]),
    }
    graph["8"]["inputs"]["method"] = "default"
    shown = run(engine, graph)
    assert (shown["5"]["text"], shown["6"]["text"]) == (("8",), ("sRGB",))
    assert len(shown["10"]["images"]) == 4


def test_sound_of_any_rate(engine: Engine) -> None:
    graph = film(audio=["0", 0]) | {
        "0": node("EmptyAudio", duration=0.5, sample_rate=40000, channels=1),
        "3": node("SaveVideo", video=["2", 0], filename_prefix="v", format="mp4", codec="h264"),
        "4": node("EmptyAudio", duration=0.5, sample_rate=96000, channels=1),
        "5": node("SaveAudioMP3", audio=["4", 0], filename_prefix="a", quality="128k"),
        "6": node("PreviewAudio", audio=["5", 0]),
    }
    shown = run(engine, graph)
    with av.open(str(engine.folders.path_of(shown["3"]["images"][0]))) as container:
        assert container.streams.audio[0].rate == 44100
    with av.open(str(engine.folders.path_of(shown["5"]["audio"][0]))) as container:
        assert container.streams.audio[0].rate == 48000


def test_a_silent_film_s_sound(engine: Engine) -> None:
    graph = film() | {
        "3": node("GetVideoComponents", video=["2", 0]),
        "4": node("TrimAudioDuration", audio=["3", 1], start_index=0.0, duration=1.0),
        "5": node("CreateVideo", images=["3", 0], audio=["4", 0], fps=8.0),
        "6": node("SaveVideo", video=["5", 0], filename_prefix="v", format="auto", codec="auto"),
    }
    assert "images" in run(engine, graph)["6"]
    graph["7"] = node("SaveAudio", audio=["4", 0], filename_prefix="a")
    with pytest.raises(NodeFailed, match=r"node 7 \(SaveAudio\), input 'audio': there is no sound to save") as caught:
        run(engine, graph)
    assert caught.value.remedy
