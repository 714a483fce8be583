"""Opening safetensors files: facts, mapped tensors, and every way a file can be wrong."""

from __future__ import annotations

import json
import pickle
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.errors import ModelUnreadable
from engine.model_store import ModelStore
from engine.quantized import Quantized
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.weight_header import DTYPES, Rows
from nodes.diffusion.weights import WeightFile


@dataclass(frozen=True)
class Plus:
    """Adds a number to one parameter."""

    name: str
    value: float

    @property
    def key(self) -> str:
        return f"plus:{self.name}:{self.value}"

    def names(self) -> frozenset[str]:
        return frozenset({self.name})

    def apply(self, name: str, weight: Tensor) -> Tensor:
        return weight + self.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    tensors = {
        "a.weight": torch.arange(6, dtype=torch.float16).reshape(2, 3),
        "a.bias": torch.tensor([1.5, -2.0]),
        "b.scalar": torch.tensor(7, dtype=torch.int64),
        "b.empty": torch.zeros(0, 4),
        "b.half": torch.tensor([0.1, 0.2], dtype=torch.bfloat16),
    }
    save_file(tensors, path, metadata={"format": "pt"})
    return path


def written(path: Path, header: bytes, data: bytes = b"") -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


def test_tensors_are_those_that_were_saved(file: Path) -> None:
    opened = WeightFile(file)
    assert opened.metadata == {"format": "pt"}
    assert torch.equal(opened.tensor("a.weight"), torch.arange(6, dtype=torch.float16).reshape(2, 3))
    assert opened.tensor("b.scalar").item() == 7
    assert opened.tensor("b.scalar").shape == ()
    assert opened.tensor("b.empty").shape == (0, 4)
    assert opened.tensor("b.half").dtype == torch.bfloat16


def test_tensors_share_the_files_mapping(file: Path) -> None:
    opened = WeightFile(file)
    assert opened.tensor("a.weight").data_ptr() == opened.tensor("a.weight").data_ptr()


def test_released_tensors_stay_readable_and_the_file_unchanged(file: Path) -> None:
    before = file.read_bytes()
    opened = WeightFile(file)
    tensor = opened.tensor("a.bias")
    opened.release()
    assert tensor.tolist() == [1.5, -2.0]
    assert file.read_bytes() == before


def test_view_takes_the_first_prefix_that_occurs(file: Path) -> None:
    view = WeightFile(file).view("none.", "a.", "b.")
    assert set(view) == {"weight", "bias"}
    assert view.shape("weight") == (2, 3)
    assert view.size_bytes == 6 * 2 + 2 * 4
    assert not WeightFile(file).view("none.")


def test_renamed_view(file: Path) -> None:
    view = WeightFile(file).view("a.").renamed({"kernel": "weight"})
    assert list(view) == ["kernel"]
    assert view["kernel"].shape == (2, 3)


def test_misaligned_tensors_are_read(tmp_path: Path) -> None:
    data = b"\x00" + struct.pack("<f", 2.5)
    header = json.dumps(
        {
            "pad": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
            "x": {"dtype": "F32", "shape": [1], "data_offsets": [1, 5]},
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    assert WeightFile(written(tmp_path / "odd.safetensors", header, data)).tensor("x").item() == 2.5


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(sorted(DTYPES)), st.lists(st.integers(0, 4), max_size=3)),
        max_size=5,
    )
)
def test_any_valid_file_reads_as_safetensors_does(tmp_path_factory: pytest.TempPathFactory, content: dict) -> None:
    path = tmp_path_factory.mktemp("any") / "any.safetensors"
    tensors = {name: torch.ones(shape).to(DTYPES[dtype]) for name, (dtype, shape) in content.items()}
    save_file(tensors, path)
    opened = WeightFile(path)
    assert set(opened.facts) == set(tensors)
    for name, tensor in tensors.items():
        read = opened.tensor(name)
        assert read.dtype == tensor.dtype
        assert read.shape == tensor.shape
        assert torch.equal(read.float(), tensor.float())


def test_a_length_that_starts_like_a_pickle_is_no_pickle(tmp_path: Path) -> None:
    header = b"{}".ljust(0x0280)  # its little-endian length begins with the bytes 80 02, as pickles do
    assert WeightFile(written(tmp_path / "m.safetensors", header)).facts == {}


@pytest.mark.parametrize("keep", [0, 4, 8, 9, 40, -1])
def test_truncated_files_are_named(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ModelUnreadable, match="truncated") as caught:
        WeightFile(file)
    assert "model.safetensors" in caught.value.message
    assert "fetch the file again" in caught.value.remedy


def test_pickles_that_could_run_code_are_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (pytest.fail, ("the pickle was executed",))

    plain = tmp_path / "plain.ckpt"
    plain.write_bytes(pickle.dumps(Trap()))
    zipped = tmp_path / "zipped.safetensors"
    torch.save({"a": torch.zeros(1), "b": Trap()}, zipped)
    for path in (plain, zipped):
        with pytest.raises(ModelUnreadable, match="a pickle that holds more than weights") as caught:
            WeightFile(path)
        assert "safetensors version" in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GGUF" + bytes(100), "GGUF"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (bytes(range(200)), "not a safetensors file"),
        (struct.pack("<Q", 20) + b"{" + b"x" * 30, "header is no JSON"),
        (struct.pack("<Q", 50_000) + b'{"a":' * 10_000, "header is no JSON"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelUnreadable, match=message):
        WeightFile(path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("text", "malformed"),
        ({"dtype": "F32", "shape": [1]}, "malformed"),
        ({"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}, "unknown type F99"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}, "contradicts itself"),
        ({"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}, "contradicts itself"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}, "contradicts itself"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [8, 12]}, "truncated"),
    ],
)
def test_wrong_entries_are_named(tmp_path: Path, entry: object, message: str) -> None:
    header = json.dumps({"x": entry}).encode()
    with pytest.raises(ModelUnreadable, match=message):
        WeightFile(written(tmp_path / "m.safetensors", header, bytes(8)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnreadable, match=r"gone\.safetensors"):
        WeightFile(tmp_path / "gone.safetensors")


class TestContentKey:
    def test_equal_parts_of_different_files_share_it(self, tmp_path: Path) -> None:
        part = {"w": torch.randn(64, 64), "b": torch.randn(3)}
        save_file({f"one.{name}": tensor for name, tensor in part.items()} | {"x": torch.zeros(1)}, tmp_path / "1")
        save_file({f"two.{name}": tensor for name, tensor in part.items()}, tmp_path / "2")
        one, two = WeightFile(tmp_path / "1").view("one."), WeightFile(tmp_path / "2").view("two.")
        assert content_key(one) == content_key(two)

    def test_one_number_in_the_middle_makes_a_difference(self, tmp_path: Path) -> None:
        weight = torch.randn(64, 64)
        save_file({"w": weight}, tmp_path / "1")
        changed = weight.clone()
        changed[32, 32] += 1
        save_file({"w": changed}, tmp_path / "2")
        one, two = WeightFile(tmp_path / "1").view(""), WeightFile(tmp_path / "2").view("")
        assert content_key(one) != content_key(two)
        assert content_key(one) == content_key(one)

    def test_names_and_shapes_count(self, tmp_path: Path) -> None:
        save_file({"w": torch.zeros(4, 2)}, tmp_path / "1")
        save_file({"w": torch.zeros(2, 4)}, tmp_path / "2")
        save_file({"v": torch.zeros(4, 2)}, tmp_path / "3")
        views = [WeightFile(tmp_path / name).view("") for name in "123"]
        assert len({content_key(view) for view in views}) == 3

    def test_a_file_that_was_replaced_is_another(self, tmp_path: Path) -> None:
        path = tmp_path / "m"
        save_file({"w": torch.zeros(2000)}, path)
        before = WeightFile(path).view("")
        key = content_key(before)
        path.unlink()
        save_file({"w": torch.cat([torch.zeros(1000), torch.ones(1), torch.zeros(999)])}, path)
        assert content_key(WeightFile(path).view("")) != key


class TestRows:
    """One of several weights that a file keeps as one."""

    def test_rows_are_a_view_of_the_file(self, tmp_path: Path) -> None:
        fused = torch.arange(24, dtype=torch.float16).reshape(6, 4)
        save_file({"qkv.weight": fused, "qkv.bias": torch.arange(6.0)}, tmp_path / "a.safetensors")
        file = WeightFile(tmp_path / "a.safetensors")
        view = file.view("").renamed(
            {"to_k.weight": Rows("qkv.weight", 2, 4), "to_v.bias": Rows("qkv.bias", 4, 6), "all": "qkv.weight"}
        )
        assert torch.equal(view["to_k.weight"], fused[2:4])
        assert torch.equal(view["to_v.bias"], torch.tensor([4.0, 5.0]))
        assert view["to_k.weight"].data_ptr() == view["all"].data_ptr() + 2 * 4 * 2
        assert view.shape("to_k.weight") == (2, 4)
        assert bytes(view.bytes("to_k.weight")) == fused[2:4].numpy().tobytes()

    def test_other_rows_are_other_contents(self, tmp_path: Path) -> None:
        save_file({"qkv": torch.arange(24.0).reshape(6, 4)}, tmp_path / "a.safetensors")
        view = WeightFile(tmp_path / "a.safetensors").view("")
        first, second = (view.renamed({"w": Rows("qkv", start, start + 2)}) for start in (0, 2))
        assert content_key(first) != content_key(second)
        assert content_key(first) == content_key(view.renamed({"w": Rows("qkv", 0, 2)}))


def quantized(folder: Path, layout: str) -> tuple[Path, Tensor]:
    """A file with one layer in float8 with a scale, and the layer's weight."""
    weight = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    scale = weight.abs().max() / 448
    stored = (weight / scale).to(torch.float8_e4m3fn)
    said = json.dumps({"format": "float8_e4m3fn"})
    tensors, metadata = {"fc.weight": stored, "fc.bias": torch.zeros(8)}, {}
    if layout == "scaled_fp8":
        tensors |= {"fc.scale_weight": scale, "scaled_fp8": torch.empty(0, dtype=torch.float8_e4m3fn)}
    else:
        tensors["fc.weight_scale"] = scale
    if layout == "comfy_quant":
        tensors["fc.comfy_quant"] = torch.tensor(list(said.encode()), dtype=torch.uint8)
    if layout == "metadata":
        metadata["_quantization_metadata"] = json.dumps({"layers": {"fc": json.loads(said)}})
    save_file(tensors, folder / f"{layout}.safetensors", metadata or None)
    return folder / f"{layout}.safetensors", stored.float() * scale


@pytest.mark.parametrize("layout", ["comfy_quant", "metadata", "scaled_fp8"])
class TestScaledFloat8:
    """The three ways in which files say what an 8-bit weight is to be multiplied by."""

    def test_the_scale_is_part_of_the_weight(self, layout: str, tmp_path: Path) -> None:
        path, exact = quantized(tmp_path, layout)
        view = WeightFile(path).view("").renamed({"half.weight": Rows("fc.weight", 4, 8), "half.bias": "fc.bias"})
        half = view["half.weight"]
        assert isinstance(half, Quantized)
        assert torch.equal(half.numbers(), exact[4:])
        assert not isinstance(view["half.bias"], Quantized)

    def test_networks_compute_with_what_it_stands_for(self, layout: str, tmp_path: Path) -> None:
        path, exact = quantized(tmp_path, layout)
        view = WeightFile(path).view("fc.")
        store = ModelStore("cpu", precision="float32")
        weights = Weights(content_key(view), lambda: assemble(lambda: nn.Linear(4, 8), view))
        x = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
        with store.lease(weights) as module:
            assert isinstance(module.weight, Quantized)
            assert torch.equal(module(x), x @ exact.T)
        with store.lease(weights, [Plus("weight", 1.0)]) as module:
            assert torch.equal(module(x), x @ (exact + 1.0).T)
        store.move_to("cpu", "float32")
        with store.lease(weights) as module:
            assert torch.equal(module(x), x @ exact.T)
        assert store.held_bytes == 8 * 4 + 4 + 8 * 4  # the weight in 8 bits, its scale, the bias


def test_equal_bytes_under_other_scales_are_other_contents(tmp_path: Path) -> None:
    stored = torch.ones(4, 4).to(torch.float8_e4m3fn)
    views = []
    for scale in (0.5, 0.25):
        path = tmp_path / f"{scale}.safetensors"
        save_file({"fc.weight": stored, "fc.weight_scale": torch.tensor(scale)}, path)
        views.append(WeightFile(path).view("").renamed({"weight": "fc.weight"}))
    assert content_key(views[0]) != content_key(views[1])


@pytest.mark.parametrize("where", ["tensor", "header"])
def test_a_quantization_that_is_not_known_is_named(tmp_path: Path, where: str) -> None:
    said = {"format": "nvfp4"}
    tensors = {"fc.weight": torch.zeros(8, 2, dtype=torch.uint8)}
    if where == "tensor":
        tensors["fc.comfy_quant"] = torch.tensor(list(json.dumps(said).encode()), dtype=torch.uint8)
    header = {"_quantization_metadata": json.dumps({"layers": {"fc": said}})} if where == "header" else None
    save_file(tensors, tmp_path / "four.safetensors", header)
    with pytest.raises(ModelUnreadable, match="'fc' is quantized as 'nvfp4'") as caught:
        WeightFile(tmp_path / "four.safetensors")
    assert "float8_e4m3fn" in (caught.value.remedy or "")
