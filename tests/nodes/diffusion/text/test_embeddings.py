"""Files of textual inversion."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodes.diffusion.text.embeddings import embedding_files, find_embedding, read_embedding

ROWS = torch.arange(8.0).reshape(2, 4)
OTHER = torch.ones(1, 6)


class Danger:
    """Pickles as a call that leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"emb_params": ROWS}, "clip_l"),
        ({"emb_params": ROWS.half()}, "clip_l"),
        ({"clip_g": OTHER, "clip_l": ROWS}, "clip_l"),
        ({"clip_g": ROWS, "clip_l": OTHER}, "clip_g"),
        ({"bundle_emb.x.string_to_param.*": ROWS, "lora_unet_a.alpha": OTHER}, "clip_l"),
        ({"bundle_emb.x.clip_g": ROWS, "bundle_emb.x.clip_l": OTHER}, "clip_g"),
    ],
)
def test_safetensors_layouts(tmp_path: Path, content: dict[str, torch.Tensor], part: str) -> None:
    save_file(content, tmp_path / "e.safetensors")
    found = read_embedding(tmp_path / "e.safetensors", part, 4)
    assert found is not None
    assert found.dtype == torch.float32
    assert torch.equal(found, ROWS)


@pytest.mark.parametrize(
    "content",
    [
        {"string_to_token": {"*": 265}, "string_to_param": {"*": ROWS}, "name": "x", "step": 3},
        {"string_to_param": {"*": torch.nn.Parameter(ROWS)}},
        {"string_to_param": torch.nn.ParameterDict({"x": torch.nn.Parameter(ROWS)})},
        {"<token>": ROWS},
        [{"a": OTHER, "b": ROWS[:1]}, {"c": ROWS[1]}],
    ],
)
def test_pickled_layouts(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "e.pt")
    found = read_embedding(tmp_path / "e.pt", "clip_l", 4)
    assert found is not None
    assert torch.equal(found, ROWS)
    assert not found.requires_grad


def test_one_vector_is_one_row(tmp_path: Path) -> None:
    torch.save({"<token>": ROWS[0]}, tmp_path / "e.bin")
    found = read_embedding(tmp_path / "e.bin", "clip_l", 4)
    assert found is not None
    assert found.shape == (1, 4)


@pytest.mark.parametrize("content", [{}, [], 3, {"a": "text"}, {"a": torch.ones(2, 2, 2)}, {"a": torch.ones(2).int()}])
def test_files_without_vectors_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: Any) -> None:
    torch.save(content, tmp_path / "e.pt")
    with caplog.at_level(logging.WARNING):
        assert read_embedding(tmp_path / "e.pt", "clip_l", 4) is None
    assert "'e.pt'" in caplog.text


@pytest.mark.parametrize("name", ["e.pt", "e.safetensors"])
def test_damaged_files_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 this was cut short")
    with caplog.at_level(logging.WARNING):
        assert read_embedding(tmp_path / name, "clip_l", 4) is None
    assert "cannot be read" in caplog.text


def test_code_in_pickles_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    torch.save({"string_to_param": {"*": Danger(mark)}}, tmp_path / "e.pt")
    assert read_embedding(tmp_path / "e.pt", "clip_l", 4) is None
    assert not mark.exists()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "embeddings"
    for name in ("a.safetensors", "a.pt", "b.pt", "deep/er/c.bin", "dotted.name.pt", "comma,.pt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "outside.pt").touch()
    return root


@pytest.mark.parametrize(
    ("word", "file", "rest"),
    [
        ("embedding:a", "a.safetensors", ""),
        ("embedding:a.pt", "a.pt", ""),
        ("embedding:b, then", "b.pt", ", then"),
        ("embedding:b then\nmore", "b.pt", "then more"),
        ("embedding:deep/er/c", "deep/er/c.bin", ""),
        ("embedding:c", "deep/er/c.bin", ""),
        ("embedding:dotted.name", "dotted.name.pt", ""),
        ("embedding:comma,", "comma,.pt", ""),
        ("embedding:b,,", "b.pt", ",, "),
        ("embedding:\n", None, ""),
        ("embedding:deep", None, ""),
        ("embedding:../outside", None, ""),
        ("embedding:b.", None, ""),
    ],
)
def test_names(folder: Path, word: str, file: str | None, rest: str) -> None:
    found = find_embedding(word, [folder / "none", folder])
    assert found.file == (folder / file if file else None)
    assert found.rest.strip() == rest.strip()


def test_files_of_a_prompt(folder: Path) -> None:
    prompt = "a embedding:b, (embedding:a:1.2) embedding:none \\(embedding:c\\) no,embedding:a"
    assert embedding_files(prompt, [folder]) == [folder / "b.pt", folder / "a.safetensors"]
