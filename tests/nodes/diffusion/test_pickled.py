"""Pickled weights: what is read of them, that nothing runs, how large they may be."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.errors import ModelUnreadable
from nodes.diffusion import pickled
from nodes.diffusion.weight_header import Rows
from nodes.diffusion.weights import WeightFile

WEIGHTS = {
    "a.weight": torch.arange(12.0).reshape(4, 3),
    "a.bias": torch.arange(4).to(torch.bfloat16),
    "b": torch.arange(6, dtype=torch.float16).reshape(2, 3).T,  # not in one piece
    "c": torch.tensor(3, dtype=torch.int64),
    "empty": torch.empty(0, 4),
    "flag": torch.tensor([True, False, True]),
    "d": torch.nn.Parameter(torch.ones(2)),
}


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    yield
    pickled.accept_up_to(pickled.DEFAULT_LIMIT_BYTES)


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".bin", ".safetensors"])
def test_every_tensor_is_read_as_it_was_written(tmp_path: Path, suffix: str, zipped: bool) -> None:
    file = WeightFile(saved(tmp_path / f"m{suffix}", WEIGHTS, _use_new_zipfile_serialization=zipped))
    assert set(file.facts) == set(WEIGHTS)
    for name, tensor in WEIGHTS.items():
        assert torch.equal(file.tensor(name), tensor)
        assert (file.tensor(name).dtype, file.facts[name].shape) == (tensor.dtype, tuple(tensor.shape))
        as_bytes = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        assert bytes(file.bytes(file.facts[name])) == as_bytes


def test_rows_and_stacks_are_taken_out_as_of_any_file(tmp_path: Path) -> None:
    view = WeightFile(saved(tmp_path / "m.pth", WEIGHTS)).view("a.")
    renamed = view.renamed({"rows": Rows("weight", 1, 3), "both": ("weight", "weight"), "bias": Rows("bias", 1, 2)})
    assert torch.equal(renamed["rows"], WEIGHTS["a.weight"][1:3])
    assert torch.equal(renamed["both"], torch.cat([WEIGHTS["a.weight"]] * 2))
    assert torch.equal(renamed["bias"], WEIGHTS["a.bias"][1:2])


def test_the_file_is_mapped_rather_than_read(tmp_path: Path) -> None:
    numbers = torch.arange(5000.0)
    path = saved(tmp_path / "m.pth", {"a": numbers})
    at = path.read_bytes().index(numbers.numpy().tobytes())
    file = WeightFile(path)
    with path.open("r+b") as raw:  # what is written now shows in a mapping, and nowhere else
        raw.seek(at + 4 * 4000)
        raw.write(torch.tensor([-1.0]).numpy().tobytes())
    assert file.tensor("a")[4000] == -1.0


@pytest.mark.parametrize("wrapping", [("state_dict",), ("params_ema",), ("net", "state_dict"), ("anything",)])
def test_weights_are_found_in_what_trainers_wrap_them_in(tmp_path: Path, wrapping: tuple[str, ...]) -> None:
    content: dict[str, Any] = {"a": torch.ones(2), 3: torch.ones(1), "note": "x"}
    for name in reversed(wrapping):
        content = {name: content} | ({} if name == "anything" else {"epoch": 4, "optimizer": {"lr": 0.1}})
    assert set(WeightFile(saved(tmp_path / "m.pth", content)).facts) == {"a"}


def test_of_two_sets_of_weights_the_averaged_ones_count(tmp_path: Path) -> None:
    both = {"params": {"a": torch.zeros(1)}, "params_ema": {"a": torch.ones(1)}}
    assert WeightFile(saved(tmp_path / "m.pth", both)).tensor("a").item() == 1.0


def test_what_trainers_leave_beside_the_weights_is_let_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("pytorch_lightning.callbacks.model_checkpoint")

    class ModelCheckpoint:
        def __init__(self) -> None:
            self.best = 0.5

        def __setstate__(self, state: dict[str, Any]) -> None:
            pytest.fail("the class of the file ran")

    ModelCheckpoint.__module__, ModelCheckpoint.__qualname__ = module.__name__, "ModelCheckpoint"
    module.ModelCheckpoint = ModelCheckpoint  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pytorch_lightning", ModuleType("pytorch_lightning"))
    monkeypatch.setitem(sys.modules, "pytorch_lightning.callbacks", ModuleType("pytorch_lightning.callbacks"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    path = saved(tmp_path / "m.ckpt", {"state_dict": {"a": torch.ones(1)}, "callbacks": ModelCheckpoint()})
    assert set(WeightFile(path).facts) == {"a"}


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("the pickle was executed",))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("content", [Trap(), {"a": torch.ones(1), "b": Trap()}, torch.nn.Linear(2, 2)])
def test_more_than_weights_is_refused_by_name_and_does_not_run(tmp_path: Path, content: Any, zipped: bool) -> None:
    path = saved(tmp_path / "whole.pth", content, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelUnreadable, match=r"'whole\.pth' is a pickle that holds more than weights") as caught:
        WeightFile(path)
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_damaged(tmp_path: Path, keep: float) -> None:
    path = saved(tmp_path / "m.pth", {"a": torch.ones(1000)})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ModelUnreadable, match=r"'m\.pth' is a (damaged|pickle that)"):
        WeightFile(path)


def test_a_limit_in_bytes_counts_also_for_what_is_packed(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pth", {"a": torch.zeros(100_000)})
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(path) as plain, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in plain.infolist():
            archive.writestr(entry.filename, plain.read(entry))
    assert packed.stat().st_size < 10_000
    pickled.accept_up_to(100_000)
    for file in (path, packed):
        with pytest.raises(ModelUnreadable, match="larger than") as caught:
            WeightFile(file)
        assert "DAGFUSION_PICKLED_GIB" in caught.value.remedy
    pickled.accept_up_to(1_000_000)
    assert WeightFile(path).tensor("a").sum() == 0


def test_pickles_can_be_switched_off(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pth", {"a": torch.zeros(1)})
    pickled.accept_up_to(0)
    with pytest.raises(ModelUnreadable, match="switched off") as caught:
        WeightFile(path)
    assert "DAGFUSION_PICKLED_GIB" in caught.value.remedy


def test_what_is_no_table_of_tensors_holds_nothing(tmp_path: Path) -> None:
    sparse: Tensor = torch.eye(3).to_sparse()
    for content in ([torch.ones(1)], torch.ones(1), {"s": sparse, "c": torch.ones(1, dtype=torch.complex64)}, 3):
        assert WeightFile(saved(tmp_path / "m.pth", content)).facts == {}
