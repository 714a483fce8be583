"""Language models that are loaded as text encoders write what they write in ComfyUI 0.33.0.

``comfyui_written.json`` holds, a call a line, a tiny random model, what it was asked, and the tokens and the text that
came out. 0.33.0 does not know where Qwen2.5-VL's texts end and fails; those were recorded with that said.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.context import CancelToken, Context
from engine.engine import Engine
from engine.errors import Cancelled, InputInvalid
from engine.events import Event, EventLog, NodeNote, NodeProgress
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.types import Image
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from nodes.diffusion.language.pieces import PicturePiece
from nodes.diffusion.language.qwen_tokenizer import text_of
from nodes.diffusion.language.token_choice import TokenSampling
from nodes.diffusion.language.writing import Asked, writer_of
from nodes.diffusion.text import load_clip
from nodes.text_generation import generate as text_generate
from nodes.values import Clip
from tests.reference.families import models

RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("comfyui_written.json").read_text())
FILES = {row["clip_name"] for row in RECORDED}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write(models.BOOK, tmp_path_factory.mktemp("writers"), FILES)


@pytest.fixture(scope="module")
def engine(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    own = tmp_path_factory.mktemp("run")
    folders = Folders(model_folders([folder]), own / "input", own / "output", own / "temp")
    return Engine(builtin_registry(), folders, ModelStore("cpu", precision="float32"))


def graph(row: dict[str, Any]) -> Workflow:
    mode = {
        "sampling_mode" if name == "sampling_mode" else f"sampling_mode.{name}": value
        for name, value in row["sampling_mode"].items()
    }
    asked = {name: row[name] for name in ("prompt", "max_length", "thinking", "use_default_template") if name in row}
    nodes = {
        "1": ("CLIPLoader", {"clip_name": row["clip_name"], "type": row["type"]}),
        "2": ("TextGenerate", {"clip": ["1", 0], **asked, **mode}),
        "3": ("PreviewAny", {"source": ["2", 0]}),
    }
    return Workflow(nodes={key: NodeDocument(class_type=name, inputs=inputs) for key, (name, inputs) in nodes.items()})


@pytest.mark.parametrize("case", range(len(RECORDED)), ids=lambda n: f"{RECORDED[n]['clip_name'][5:10]}-{n}")
def test_it_writes_what_comfyui_writes_and_shows_it(case: int, engine: Engine) -> None:
    row, seen = RECORDED[case], list[Event]()
    result = engine.run(graph(row), listeners=[seen.append])
    assert result.outputs["3"].shown["text"] == (row["text"],)
    counted = [event.value for event in seen if isinstance(event, NodeProgress) and event.node_id == "2"]
    assert counted == list(range(1, len(row["ids"]) + 1))


def test_cancelling_stops_between_two_tokens(engine: Engine) -> None:
    row, cancel, counted = {**RECORDED[0], "prompt": "a long tale", "max_length": 500}, CancelToken(), list[int]()

    def listen(event: Event) -> None:
        if isinstance(event, NodeProgress):
            counted.append(event.value)
            if event.value == 3:
                cancel.cancel()

    with pytest.raises(Cancelled):
        engine.run(graph(row), listeners=[listen], cancel=cancel)
    assert counted == [1, 2, 3]


def clip(folder: Path, name: str, type: str = "") -> Clip:
    return load_clip([folder / "text_encoders" / f"tiny_{name}.safetensors"], type)


def test_pictures_are_shown_to_models_that_see(ctx: Context, folder: Path) -> None:
    seeing, picture = clip(folder, "qwen_2.5_vl_7b"), torch.rand(60, 90, 3, generator=torch.manual_seed(1))
    pieces = writer_of(seeing).pieces(None, Asked("compare", [picture, picture]))
    assert sum(isinstance(piece, PicturePiece) for piece in pieces) == 2
    mode = {"sampling_mode": "on", "seed": 3, "temperature": 2.0}
    asked: dict[str, Any] = {"clip": seeing, "prompt": "what is this?", "max_length": 5, "sampling_mode": mode}
    without, shown = text_generate(ctx, **asked), text_generate(ctx, **asked, image=Image(picture[None]))
    assert without != shown == text_generate(ctx, **asked, image=Image(picture[None]))


def test_what_a_model_cannot_see_is_noted(ctx: Context, folder: Path) -> None:
    told: list[Event] = []
    listening = replace(ctx, log=EventLog(told.append))
    blind = clip(folder, "qwen3_4b", "lumina2")
    picture = Image(torch.zeros(1, 8, 8, 3))
    text_generate(
        listening, clip=blind, max_length=1, sampling_mode={"sampling_mode": "off"}, image=picture, video=picture
    )
    notes = [event.message.split(" ")[0] for event in told if isinstance(event, NodeNote)]
    assert notes == ["image", "video"]


def test_a_text_encoder_that_writes_nothing_is_named(ctx: Context, tmp_path: Path) -> None:
    models.write(models.BOOK, tmp_path, ["tiny_clip_l.safetensors"])
    with pytest.raises(InputInvalid, match="writes no text") as caught:
        text_generate(ctx, clip=clip(tmp_path, "clip_l"), sampling_mode={"sampling_mode": "off"})
    assert caught.value.input == "clip"
    assert "Qwen3" in caught.value.remedy


@pytest.mark.parametrize("name", ["lm_head.weight", "model.lm_head.weight"])
def test_an_output_layer_of_its_own_is_used(name: str, ctx: Context, folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "text_encoders" / "tiny_qwen3_4b.safetensors")
    head = torch.zeros_like(tensors["model.embed_tokens.weight"])
    head[42], head[43] = 1, -1  # whatever the last state is, one of the two is the likeliest
    save_file({**tensors, name: head}, tmp_path / "whole.safetensors")
    whole = load_clip([tmp_path / "whole.safetensors"], "lumina2")
    made = text_generate(ctx, clip=whole, prompt="a", max_length=3, sampling_mode={"sampling_mode": "off"})
    assert set(made) <= set(text_of([42, 43]))


def test_the_likely_are_drawn_and_the_written_lowered() -> None:
    assert TokenSampling(temperature=0.01).draw(torch.tensor([0.0, 9.0, 1.0]), (), torch.Generator()) == 1
    penalised = TokenSampling(repetition_penalty=5.0, presence_penalty=1.0).scores(
        torch.tensor([2.0, -1.0, 3.0]), [0, 1, 1]
    )
    assert penalised.tolist() == pytest.approx([-0.6, -6.0, 3.0])
