"""Names of files for a network's parameters, with rows of fused weights, read without copies where that can be."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from nodes.diffusion.contents import content_key
from nodes.diffusion.name_map import NameMap, Span, fused, sources, whole
from nodes.diffusion.weight_header import Rows
from nodes.diffusion.weights import WeightFile


def test_a_fused_weight_is_read_in_its_parts(tmp_path: Path) -> None:
    qkv, out = torch.randn(10, 3), torch.randn(2, 2)
    save_file({"net.attn.qkv.weight": qkv, "net.attn.out.weight": out}, tmp_path / "m.safetensors")
    parts = [("to_q.weight", 4), ("to_k.weight", 3), ("to_v.weight", 3)]
    native = fused("attn.qkv.weight", parts) | whole({"attn.out.weight": "to_out.weight"})
    view = WeightFile(tmp_path / "m.safetensors").view("net.").renamed(sources(native))
    assert view.shapes == {"to_q.weight": (4, 3), "to_k.weight": (3, 3), "to_v.weight": (3, 3), "to_out.weight": (2, 2)}
    start = 0
    for name, rows in parts:
        assert torch.equal(view[name], qkv[start : start + rows])
        assert bytes(view.bytes(name)) == qkv[start : start + rows].numpy().tobytes()
        start += rows
    assert view["to_q.weight"].data_ptr() + 4 * 3 * 4 == view["to_k.weight"].data_ptr(), "nothing is copied"
    assert view.size_bytes == (qkv.numel() + out.numel()) * 4


def test_parts_of_a_file_are_stacked_to_a_fused_parameter(tmp_path: Path) -> None:
    parts = {name: torch.randn(rows, 2) for name, rows in (("a", 2), ("b", 3), ("c", 1))}
    save_file(parts, tmp_path / "m.safetensors")
    native = {
        "c": (Span("fused", of_parameter=(5, 6)),),
        "a": (Span("fused", of_parameter=(0, 2)),),
        "b": (Span("fused", of_parameter=(2, 5)),),
    }
    view = WeightFile(tmp_path / "m.safetensors").view("").renamed(sources(native))
    assert view.shape("fused") == (6, 2)
    assert torch.equal(view["fused"], torch.cat([parts["a"], parts["b"], parts["c"]]))
    assert bytes(view.bytes("fused")) == view["fused"].numpy().tobytes()


def test_halves_that_change_places(tmp_path: Path) -> None:
    """As final layers keep shift and scale in another order than diffusers' networks."""
    given = torch.arange(8.0).reshape(4, 2)
    save_file({"w": given}, tmp_path / "m.safetensors")
    view = WeightFile(tmp_path / "m.safetensors").view("").renamed({"m": (Rows("w", 2, 4), Rows("w", 0, 2))})
    assert torch.equal(view["m"], given[[2, 3, 0, 1]])
    again = view.renamed({"n": "m"})
    assert torch.equal(again["n"], view["m"])
    plain = WeightFile(tmp_path / "m.safetensors").view("").renamed({"m": "w"})
    assert content_key(plain) != content_key(view), "the same bytes in another order are another network"


def test_the_native_name_of_each_parameter() -> None:
    names = NameMap(fused("qkv.weight", [("q.weight", 1), ("k.weight", 1)]) | whole({"o.bias": "out.bias"}))
    assert names.native_names() == {"q.weight": "qkv.weight", "k.weight": "qkv.weight", "out.bias": "o.bias"}
