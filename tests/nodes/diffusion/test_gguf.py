"""GGUF files: what is read of them is what the ``gguf`` package has written, and every way that one can be wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from engine.errors import ModelUnreadable
from engine.quantized import Quantized
from nodes.diffusion.contents import content_key
from nodes.diffusion.weight_header import Rows
from nodes.diffusion.weights import WeightFile

Q8 = gguf.GGMLQuantizationType.Q8_0
NUMBERS = np.random.default_rng(3).standard_normal((6, 64)).astype(np.float32)


def written(path: Path, fill: Callable[[gguf.GGUFWriter], None], architecture: str = "flux") -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    fill(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def two_tensors(writer: gguf.GGUFWriter) -> None:
    writer.add_tensor("plain", NUMBERS[:2])
    writer.add_tensor("blocks", gguf.quantize(NUMBERS, Q8), raw_dtype=Q8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "two.gguf", two_tensors)


def test_tensors_are_what_was_written(path: Path) -> None:
    file = WeightFile(path)
    exact = torch.from_numpy(gguf.dequantize(gguf.quantize(NUMBERS, Q8), Q8))
    assert file.shapes == {"plain": (2, 64), "blocks": (6, 64)}
    assert torch.equal(file.tensor("plain"), torch.from_numpy(NUMBERS[:2]))
    blocks = file.tensor("blocks")
    assert isinstance(blocks, Quantized)
    assert torch.equal(blocks.numbers(), exact)
    view = file.view("").renamed({"part": Rows("blocks", 2, 5), "both": ("plain", Rows("blocks", 0, 1))})
    assert torch.equal(view["part"] + 0, exact[2:5])
    assert torch.equal(view["both"] + 0, torch.cat([torch.from_numpy(NUMBERS[:2]), exact[:1]]))


def test_a_tensor_that_was_folded_to_be_quantized_has_its_shape_again(tmp_path: Path) -> None:
    def folded(writer: gguf.GGUFWriter) -> None:
        writer.add_array("comfy.gguf.orig_shape.conv", [8, 12, 2, 2])
        writer.add_tensor("conv", gguf.quantize(NUMBERS, Q8), raw_dtype=Q8)

    file = WeightFile(written(tmp_path / "folded.gguf", folded))
    assert file.shapes["conv"] == (8, 12, 2, 2)
    exact = torch.from_numpy(gguf.dequantize(gguf.quantize(NUMBERS, Q8), Q8)).view(8, 12, 2, 2)
    assert torch.equal(file.tensor("conv") + 0, exact)
    x = torch.randn(1, 12, 5, 5, generator=torch.Generator().manual_seed(1))
    assert torch.equal(torch.conv2d(x, file.tensor("conv")), torch.conv2d(x, exact))


def test_queries_of_llama_have_their_halves_apart_again(tmp_path: Path) -> None:
    """llama.cpp's converter interleaves the halves of each head of a Llama, and no other's."""
    heads, width = 2, 64
    published = np.arange(heads * 8 * width, dtype=np.float32).reshape(heads * 8, width)
    interleaved = published.reshape(heads, 2, 4, width).swapaxes(1, 2).reshape(published.shape)

    def layer(writer: gguf.GGUFWriter) -> None:
        writer.add_head_count(heads)
        writer.add_head_count_kv(heads)
        writer.add_tensor("blk.0.attn_q.weight", interleaved)
        writer.add_tensor("blk.0.attn_v.weight", published)

    file = WeightFile(written(tmp_path / "llama.gguf", layer, "llama"))
    assert torch.equal(file.tensor("model.layers.0.self_attn.q_proj.weight") + 0, torch.from_numpy(published))
    assert torch.equal(file.tensor("model.layers.0.self_attn.v_proj.weight"), torch.from_numpy(published))


def test_equal_files_are_one_network_and_others_are_not(path: Path, tmp_path: Path) -> None:
    same = written(tmp_path / "same.gguf", two_tensors)

    def another(writer: gguf.GGUFWriter) -> None:
        writer.add_tensor("plain", NUMBERS[:2])
        writer.add_tensor("blocks", gguf.quantize(NUMBERS + 1, Q8), raw_dtype=Q8)

    views = [WeightFile(one).view("") for one in (path, same, written(tmp_path / "other.gguf", another))]
    keys = [content_key(view) for view in views]
    assert keys[0] == keys[1] != keys[2]


def _cut(data: bytes) -> bytes:
    return data[:-100]


def _header_cut(data: bytes) -> bytes:
    return data[:60]


def _unknown_type(data: bytes) -> bytes:
    at = data.index(b"blocks") + len(b"blocks") + 4 + 2 * 8
    return data[:at] + struct.pack("<I", 99) + data[at + 4 :]


def _odd_rows(data: bytes) -> bytes:
    at = data.index(b"blocks") + len(b"blocks") + 4
    return data[:at] + struct.pack("<Q", 63) + data[at + 8 :]


def _many(data: bytes) -> bytes:
    return data[:8] + struct.pack("<Q", 2**60) + data[16:]


def _version(data: bytes) -> bytes:
    return data[:4] + struct.pack("<I", 7) + data[8:]


def _other_order(data: bytes) -> bytes:
    return data[:4] + struct.pack(">I", 3) + data[8:]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_cut, r"truncated: tensor 'blocks' ends \d+ bytes past its end"),
        (_header_cut, "truncated within its header"),
        (_unknown_type, "tensor 'blocks' is of unknown GGUF type 99"),
        (_odd_rows, "tensor 'blocks' is Q8_0, in blocks of 32, but its rows have 63 numbers"),
        (_many, "claims 1152921504606846976 tensors"),
        (_version, "is of GGUF's version 7"),
        (_other_order, "is in the other byte order"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(path: Path, spoil: Callable[[bytes], bytes], says: str) -> None:
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ModelUnreadable, match=says) as caught:
        WeightFile(path)
    assert "'two.gguf'" in str(caught.value)
    assert str(path.parent) not in str(caught.value)
    assert caught.value.remedy


def test_a_tensor_that_is_in_it_twice_is_named(tmp_path: Path) -> None:
    def one(writer: gguf.GGUFWriter) -> None:
        writer.add_tensor("first", NUMBERS)
        writer.add_tensor("other", NUMBERS)

    path = written(tmp_path / "twice.gguf", one)
    path.write_bytes(path.read_bytes().replace(b"other", b"first"))
    with pytest.raises(ModelUnreadable, match="tensor 'first' is in it twice"):
        WeightFile(path)
